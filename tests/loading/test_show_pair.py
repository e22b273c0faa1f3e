"""A pair in a notebook, in a real browser: the unsafe member is blurred until it is asked for."""

from __future__ import annotations

import io

import pytest
from browser import browser as browser
from browser import serious_faults
from PIL import Image
from playwright.sync_api import Browser

import safetypairs_hf as sp


def pair(**more: object) -> dict[str, object]:
    unsafe, safe = (Image.new("RGB", (40, 30), colour) for colour in ("red", "green"))
    return {"pair_id": "0" * 16, "unsafe_image": unsafe, "safe_image": safe, **more}


def test_the_unsafe_member_is_blurred_until_it_is_asked_for(browser: Browser) -> None:
    hostile = pair(instruction="<img src=x onerror=alert(1)>")
    shown = [sp.show(each)._repr_html_() for each in (hostile, pair())]
    page = browser.new_page()
    page.set_content(f"<html lang=en><title>pairs</title><main><h1>Pairs</h1>{''.join(shown)}</main></html>")
    blurs = "[...document.querySelectorAll('img')].map(image => getComputedStyle(image).filter)"
    assert page.evaluate(blurs) == ["blur(24px)", "none", "blur(24px)", "none"]
    page.get_by_label("show the unsafe member").first.check()
    assert page.evaluate(blurs) == ["none", "none", "blur(24px)", "none"]
    assert page.locator("img").count() == 4
    assert serious_faults(page) == []
    page.close()


def test_a_policy_pair_is_one_image_and_two_policies(browser: Browser) -> None:
    policies = {"unsafe_policy": "hate@2.0", "safe_policy": "violence@1.0"}
    shown = sp.show({"pair_id": "7", "image": Image.new("RGB", (40, 30), "red"), **policies})
    assert repr(shown) == "pair_id: 7\ncritical_feature: unsafe by hate@2.0, safe by violence@1.0"
    page = browser.new_page()
    page.set_content(f"<html lang=en><title>pairs</title><main><h1>Pairs</h1>{shown._repr_html_()}</main></html>")
    blurs = "[...document.querySelectorAll('img')].map(image => getComputedStyle(image).filter)"
    assert page.evaluate(blurs) == ["blur(24px)", "blur(24px)"]
    page.get_by_label("show the image").check()
    assert page.evaluate(blurs) == ["none", "none"]
    page.close()


def test_what_it_takes() -> None:
    data = io.BytesIO()
    Image.new("RGB", (900, 30)).save(data, "PNG")
    assert sp.show(pair(safe_image={"bytes": data.getvalue()}, instruction="turn it"))._repr_html_()
    assert repr(sp.show(pair(instruction="turn it"))) == f"pair_id: {'0' * 16}\ninstruction: turn it"
    with pytest.raises(
        sp.SafetyPairsError, match=r"such as sp.load\('safetypairs', split='test'\)\[0\]; what .* has no unsafe_im"
    ):
        sp.show({"image": 1})
    with pytest.raises(sp.SafetyPairsError, match="what was given is a list"):
        sp.show([pair()])  # type: ignore[arg-type]
    with pytest.raises(sp.SafetyPairsError, match="the safe_image of the pair does not read: cannot identify"):
        sp.show(pair(safe_image={"bytes": b"no image"}))
