"""Stage 4: train the critic, let it speak, train the reward model."""
