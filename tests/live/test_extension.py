"""The Sphinx extension that puts the component into a page."""

from types import SimpleNamespace

import live_model


def test_placeholder_is_replaced_on_its_page_only(tmp_path):
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "component.html").write_text(r"<section>\1</section>")
    added = []
    app = SimpleNamespace(
        outdir=tmp_path / "html",
        add_css_file=added.append,
        add_js_file=lambda file, **options: added.append(file),
    )
    other = {"body": "<p>text</p>"}
    live_model.fill(app, "other", "page.html", other, None)
    assert other["body"] == "<p>text</p>"
    assert added == []
    context = {"body": '<p>a</p><div class="live-model">instead\nof</div><p>b</p>'}
    live_model.fill(app, "page", "page.html", context, None)
    assert context["body"] == r"<p>a</p><section>\1</section><p>b</p>"
    assert added == ["live/live.css", "live/images.js", "live/views.js", "live/live.js"]


def test_numbers_of_the_text_keep_what_is_promised():
    found = live_model.numbers()
    rates = {name: float(value[:-2]) for name, value in found.items() if value.endswith(" %")}
    assert rates["refusal_refused"] + rates["refusal_named"] <= 5
    assert rates["refusal_others"] >= 95
    assert rates["refusal_turned"] >= 95
    assert int(found["refusal_drawn"].replace(",", "")) >= 200
    assert float(found["live_low"]) < float(found["live_auc"]) < float(found["live_high"])


def test_drawn_pictures_depend_on_the_seed_only():
    import numpy as np
    import other_pictures

    for kind, function in other_pictures.KINDS.items():
        pixels = function(np.random.default_rng(4))
        assert pixels.dtype == np.uint8, kind
        np.testing.assert_array_equal(pixels, function(np.random.default_rng(4)), kind)
        assert not np.array_equal(pixels, function(np.random.default_rng(5))), kind
