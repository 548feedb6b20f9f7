"""The reward model: readouts, training and scoring."""
