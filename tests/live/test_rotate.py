# SPDX-License-Identifier: MIT
"""A key's text is replaced, and the old one works on for a while: as the same key, in all that
becomes of it."""
import pytest

from gateway import Gateway, Mock, until


@pytest.fixture(scope="module")
def gw(tmp_path_factory):
    mock = Mock()
    g = Gateway(tmp_path_factory.mktemp("rotate"),
                [("m", {"model": "openai/mock?tokens=2", "api_base": mock.base, "api_key": "x",
                        "input_cost_per_token": 0.001, "output_cost_per_token": 0.001})], workers=2).start()
    yield g
    g.stop()
    mock.close()


def rotate(gw, key, **fields):
    a = gw.post("/key/regenerate", {"key": key, **fields})
    assert a.status == 200, a
    return a.json["key"]


def test_without_a_grace_period_the_old_text_ends_at_once(gw):
    for fields in ({}, {"grace_period": ""}, {"grace_period": "0s"}):
        old = gw.key()
        new = rotate(gw, old, **fields)
        assert gw.ask("m", key=old).status == 401 and gw.ask("m", key=new).status == 200


def test_both_texts_are_one_key(gw):
    old = gw.key(max_budget=10)
    new = rotate(gw, old, grace_period="1h")
    assert gw.ask("m", key=old).status == 200 and gw.ask("m", key=new).status == 200
    infos = [gw.get("/key/info", key=k).json["info"] for k in (old, new)]
    assert infos[0]["spend"] == infos[1]["spend"] > 0 and infos[0]["key_name"] == infos[1]["key_name"]
    gw.post("/key/block", {"key": new})
    assert gw.ask("m", key=old).status == 401 and gw.ask("m", key=new).status == 401
    gw.post("/key/unblock", {"key": new})
    gw.post("/key/update", {"key": new, "models": ["other"]})
    assert gw.ask("m", key=old).status == 403
    gw.post("/key/update", {"key": new, "models": []})
    third = rotate(gw, new, grace_period="1h")
    assert [gw.ask("m", key=k).status for k in (old, new, third)] == [200, 200, 200]
    gw.stop()
    gw.start()
    assert [gw.ask("m", key=k).status for k in (old, new, third)] == [200, 200, 200]
    gw.post("/key/delete", {"keys": [third]})
    assert [gw.ask("m", key=k).status for k in (old, new, third)] == [401, 401, 401]
    gw.stop()
    gw.start()
    assert [gw.ask("m", key=k).status for k in (old, new, third)] == [401, 401, 401]


def test_the_old_text_ends_in_time(gw):
    old = gw.key()
    new = rotate(gw, old, grace_period="1s")
    until(lambda: gw.ask("m", key=old).status == 401)
    until(lambda: gw.ask("m", key=old).json["error"]["type"] == "token_not_found_in_db")
    assert gw.ask("m", key=new).status == 200


def test_an_old_text_cannot_be_made_anew(gw):
    old = gw.key()
    rotate(gw, old, grace_period="1h")
    assert gw.post("/key/generate", {"key": old}).status == 400
    assert gw.post("/key/regenerate", {"key": gw.key(), "new_key": old}).status == 400


def test_bad_periods_are_refused(gw):
    key = gw.key()
    for bad in ("soon", "-1", "5", "1y", 5):
        assert gw.post("/key/regenerate", {"key": key, "grace_period": bad}).status == 400, bad
    assert gw.ask("m", key=key).status == 200


def test_a_rotation_that_finds_no_room_is_taken_back(tmp_path):
    """Each rotation writes the key's rows anew, until the smallest directory is full of them."""
    mock = Mock()
    g = Gateway(tmp_path, [("m", {"model": "openai/mock", "api_base": mock.base, "api_key": "x"})],
                "server: {max-keys: 1000}\n").start()
    texts = [g.key(models=["m"] + [f"{n:0200}" for n in range(230)])]
    for n in range(300):
        new = f"sk-rotated-{n:04}-text"
        a = g.post("/key/regenerate", {"key": texts[-1], "new_key": new, "grace_period": "1h"})
        if a.status != 200:
            break
        texts.append(new)
    assert a.status == 500 and "there is no room" in a.json["error"]["message"] and len(texts) > 3, a
    assert g.ask("m", key=new).status == 401
    assert [g.ask("m", key=k).status for k in texts] == [200] * len(texts)
    assert g.post("/key/generate", {"key": new}).status in (200, 500)
    g.stop()
    mock.close()
