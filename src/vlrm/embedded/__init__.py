"""The embedded VLM: a LLaVA-class model small enough to train from scratch on two cores."""
