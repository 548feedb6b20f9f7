"""``transformers serve`` for a model whose vision tower is ours: ``python serve_transformers.py MODEL PORT``."""

import sys

from transformers.cli.serve import Serve

import vlrm.embedded.tower  # noqa: F401  (registers the tower, which the server's own process must know)

if __name__ == "__main__":
    Serve(force_model=sys.argv[1], device="cpu", dtype="float32", host="127.0.0.1", port=int(sys.argv[2]))
