"""Samples critiques of responses from the critic, with the evidence quoted to it or without, and parses them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vlrm.critiques import grammar, parser
from vlrm.critiques.agreement import agreement, verdicts_by_response
from vlrm.critiques.filling import Form, fill
from vlrm.policy.protocol import Request, Sampling, Writer, row_seed
from vlrm.progress import say
from vlrm.schema import CRITIQUES, SeenObject
from vlrm.vlm import Conversation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vlrm.critiques.templates.template import Template


def sample_critiques(
    writer: Writer,
    responses: Sequence[Mapping[str, Any]],
    samples: int,
    sampling: Sampling,
    seed: int,
    template: Template,
    evidence: Mapping[str, Sequence[SeenObject]] | None = None,
) -> pa.Table:
    """CRITIQUES: ``samples`` per response.

    ``responses``: rows with response_id, image_sha256, question, text. ``evidence``: objects by image hash; when
    given, it is quoted to the critic and may be cited, and a critique that cites what is not there is refused.
    ``template``: how the critic is asked and read.
    """
    rows: list[dict[str, Any]] = []
    requests, forms = [], []
    for response in responses:
        image = response["image_sha256"]
        quoted = template.quoted(evidence.get(image, ())) if evidence is not None else None
        messages = template.ask(response["question"], response["text"], quoted)
        for sample in range(samples):
            kind = "with" if evidence is not None else "without"
            identity = f"{response['response_id']}-{kind}-{sample}"
            rows.append({
                "critique_id": identity, "response_id": response["response_id"], "image_sha256": image,
                "sample": sample, "with_evidence": evidence is not None,
                "template": template.name,
            })  # fmt: skip
            requests.append(Request(Conversation(image, messages), row_seed("critique", seed, identity)))
            if template.statements is not None and quoted is not None:
                said = template.statements(response["question"], response["text"])
                seen = grammar.evidence_lines(quoted)
                forms.append(Form(requests[-1].conversation, seen, said, requests[-1].seed, []))
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        say(f"critique {done} of {len(requests)}")

    texts = fill(writer, forms, sampling, progress) if forms else writer.write(requests, sampling, progress)
    for row, text in zip(rows, texts, strict=True):
        cited = len(template.quoted(evidence.get(row["image_sha256"], ()))) if evidence is not None else None
        found = template.read(text, cited)
        refused = found if isinstance(found, parser.Refusal) else None
        row |= {
            "text": template.tidy(text, cited),
            "verdict": found.verdict if isinstance(found, parser.Critique) else None,
            "parsed": refused is None,
            "reason": refused.reason if refused else None,
        }
    given = verdicts_by_response(rows)
    for row in rows:
        row["agreement"] = agreement(row["verdict"], given.get(row["response_id"], Counter()))
    return pa.Table.from_pylist(rows, CRITIQUES)
