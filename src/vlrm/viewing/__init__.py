"""What people look at: evidence drawn on images, claims coloured by their verdict, the rule's tests of a pair."""
