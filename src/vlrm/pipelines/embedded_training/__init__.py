"""Trains the models that ship with the project: the detector and the vision-language model."""
