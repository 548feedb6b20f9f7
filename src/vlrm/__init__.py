"""vlrm: images and questions in, a vision-language reward model out, with evidence for every training pair."""

__version__ = "0.1.0"
