"""The model registry: who may become champion, how a reward model is packaged, how it is served."""
