"""Claims coloured in the response that makes them: the words, the worse verdict where two share words, no markup let in."""

import re

from vlrm.claims.extract import extract_claims
from vlrm.schema import claim_to_json
from vlrm.viewing.claims import coloured

RED = "#d6453a"


def rows(text: str, **verdicts: str) -> list[dict]:
    """The claims of ``text`` as rows of CLAIMS; ``verdicts`` by kind, supported by default."""
    return [
        {"claim": claim_to_json(claim), "verdict": verdicts.get(claim.kind, "supported"), "probability": 0.9}
        for claim in extract_claims(text, "Describe the image.")
    ]


def marked(html: str) -> dict[str, str]:
    """The words of each mark -> its opening tag."""
    return {words: tag for tag, words in re.findall(r"(<span [^>]*>)([^<]*)</span>", html)}


def test_each_claim_marks_its_own_words():
    text = "There is a red star on the table."
    html = coloured(text, rows(text, attribute="contradicted"))
    found = marked(html)
    assert RED in found["red"] and "contradicted, p = 0.90" in found["red"]
    assert RED not in found["star"]
    assert re.sub(r"<[^>]*>", "", html) == text


def test_where_two_claims_share_words_the_worse_verdict_shows():
    text = "There is a red star."
    claims = rows(text)
    claims.append(claims[0] | {"verdict": "contradicted"})
    assert sum(RED in tag for tag in marked(coloured(text, claims)).values()) == 1


def test_what_a_response_says_is_text_not_markup():
    text = "<b>There is a red star.</b>"
    assert coloured(text, []) == "&lt;b&gt;There is a red star.&lt;/b&gt;"
