"""Expert annotation by itself: a user's images and answers in, claims with verdicts and groundedness out."""
