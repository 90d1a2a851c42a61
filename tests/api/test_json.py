# SPDX-License-Identifier: Apache-2.0
"""JSON as clients send it: what is refused says where, and what is taken comes back byte for byte."""

import pytest

ODD = (b'{ "text" : "\\u00e4\\/\xc3\xa4" ,\t"ratio":5e-1,"steps": 3.0 , "unknown" : [ 1 ,2.50,{ } ],'
       b'\n "names":["\\u0062"  ] }')


def test_inputs_come_back_byte_for_byte(running, acme):
    made = acme.post(running + "/predictions", b'{"input":' + ODD + b"}", headers={"Prefer": "wait"})
    assert made.status == 201, made
    assert b'"input":' + ODD + b"," in made.body
    assert made.json["output"] == ["\u00e4/\u00e4"]
    assert b'"input":' + ODD + b"," in acme.get(f"/predictions/{made.json['id']}").body
    assert b'"input":' + ODD + b"," in acme.get("/predictions").body


@pytest.mark.parametrize("size", [1000, 100_000, 2_000_000])
def test_large_inputs_come_back_byte_for_byte(running, acme, size):
    given = b'{ "text" : "' + b"\\u00e4\xc3\xa4 " * (size // 9) + b'","more":[1.0, 2] }'
    made = acme.post(running + "/predictions", b'{"input":' + given + b"}", headers={"Prefer": "wait"})
    assert made.status == 201, made
    assert made.json["status"] == "succeeded"
    assert b'"input":' + given + b"," in made.body
    assert b'"input":' + given + b"," in acme.get(f"/predictions/{made.json['id']}").body


@pytest.mark.parametrize("body, says", [
    (b'{"input": {"text": "%s" 1}}' % (b"x" * 100_000), "line 1, column 100023: expected ',' or '}' after a member"),
    (b'{"input": {"text": "%s", "text": 1}}' % (b"x" * 100_000), 'The key "text" is given more than once.'),
])
def test_what_is_wrong_with_a_large_one_is_said(running, acme, body, says):
    answer = acme.post(running + "/predictions", body)
    assert answer.status == 400, answer
    assert says in answer.json["detail"]


def test_a_large_input_that_does_not_fit_is_refused(running, acme):
    answer = acme.post(running + "/predictions", {"input": {"text": "x" * 100_000, "steps": "many"}})
    assert answer.status == 422, answer
    assert answer.json["invalid_fields"][0]["field"] == "input.steps"


def test_a_large_request_can_be_repeated(running, acme):
    body = {"input": {"text": "x" * 100_000}}
    first = acme.post(running + "/predictions", body, headers={"Idempotency-Key": "large"})
    again = acme.post(running + "/predictions", body, headers={"Idempotency-Key": "large"})
    assert first.status == again.status == 201
    assert first.json["id"] == again.json["id"]
    other = acme.post(running + "/predictions", {"input": {"text": "y" * 100_000}}, headers={"Idempotency-Key": "large"})
    assert other.status == 422, other


@pytest.mark.parametrize("body, says", [
    (b'{"input": {}\n "webhook": 1}', "line 2, column 2: expected ',' or '}' after a member"),
    (b'{"input": {"text": "\\ud800"}}', "line 1, column 21: the first half of a surrogate pair stands alone"),
    (b'{"input": {"text": "a\xff"}}', "line 1, column 22: the text is not valid UTF-8"),
    (b'\xef\xbb\xbf{"input": {}}', "line 1, column 1: expected a value"),
    (b'{"input": {"steps": 03}}', "line 1, column 21: a number does not begin with a zero"),
    (b'{"input": ' + b"[" * 200 + b"]" * 200 + b"}", "nested deeper than 128 levels"),
    (b'{"input": {}, "input": {}}', 'The key "input" is given more than once.'),
    (b'{"input": {"text": "a", "t\\u0065xt": "b"}}', 'The key "text" is given more than once.'),
    (b'{"input": [' + b"1," * 200000 + b"1]}", "more than 200000 values"),
], ids=range(9))
def test_what_is_refused_says_where(running, acme, body, says):
    answer = acme.post(running + "/predictions", body)
    assert answer.status == 400, answer
    assert says in answer.json["detail"]
