"""Whole passes with ``withdrawals.publish``: the web page."""

from __future__ import annotations

from typing import Any

import msgspec
from lxml import html

from tests.support.world import DONE, World
from yanksync.core.withdrawals.web.pins_document import PinsDocument
from yanksync.core.withdrawals.web.shell import ASSETS


def page_of(world: World, path: str = "index.html") -> Any:
    return html.document_fromstring(world.files()[f"withdrawals/{path}"])


def words(element: Any) -> str:
    return " ".join(element.text_content().split())


def rows(world: World) -> list[list[str]]:
    found = page_of(world).xpath("//tr[@data-kind]")
    return [[words(cell) for cell in row][1:] for row in found]


def begun(world: World, **settings: Any) -> World:
    world.configure(withdrawals_publish="true", **settings)
    world.up.clock = int(world.clock.time)  # the chart ends today
    return world.started("demo", "other")


def test_a_pass_writes_the_page_and_those_of_projects(world: World) -> None:
    begun(world, withdrawals_title="Gone <here>")
    assert "No event yet." in words(page_of(world))
    world.up.yank("demo", "1.0", "bad <b>wheel</b>")
    world.up.remove_release("demo", "2.0")
    world.up.quarantine_project("other")
    assert world.sync() == DONE
    assert page_of(world).findtext("head/title") == "Gone <here>"
    assert sorted(rows(world)) == [
        ["Quarantined", "other", "whole project", "", "pin fails"],
        ["Removed", "demo", "2.0", "", "pin fails"],
        ["Yanked", "demo", "1.0", "bad <b>wheel</b>", "pin installs"],
    ]
    legend = [words(one) for one in page_of(world).xpath("//ul[@class='legend']/li")]
    assert legend == ["1 yank", "1 removal", "1 quarantine"]
    demo = page_of(world, "project/demo/index.html")
    assert "2 versions are withdrawn now." in words(demo)
    assert len(demo.xpath("//ol[@class='timeline']/li")) == 2
    world.up.unyank("demo", "1.0")
    assert world.sync() == DONE
    pins = msgspec.json.decode(
        world.files()["withdrawals/project/demo/withdrawn.json"], type=PinsDocument
    )
    assert {version: pin.what for version, pin in pins.versions.items()} == {"2": "Removed"}
    assert "3 events" in words(page_of(world, "project/demo/index.html"))


def test_the_page_is_whole_and_links_lead_somewhere(world: World) -> None:
    begun(world, withdrawals_watch={"tools": ["demo"]})
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    files = world.files()
    assert {f"withdrawals/assets/{name}" for name in ASSETS} <= set(files)
    for path in ("index.html", "project/demo/index.html"):
        page = page_of(world, path)
        page.make_links_absolute(f"http://mirror.example/withdrawals/{path}")
        links = {link.partition("#")[0] for link in page.xpath("//@href | //@src")}
        assert {link.removeprefix("http://mirror.example/") for link in links} <= set(files)


def test_a_reason_that_comes_later_takes_the_place_of_its_event(world: World) -> None:
    begun(world)
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    world.up.yank("demo", "1.0", "worse")
    assert world.sync() == DONE
    assert {row[3] for row in rows(world)} >= {"worse"}
    total = int(words(page_of(world).get_element_by_id("matches")).split()[0])
    assert total == len(rows(world))


def test_without_the_setting_there_is_no_page(world: World) -> None:
    begun(world)
    world.configure(withdrawals_publish="false")
    assert world.sync() == DONE
    assert [path for path in world.files() if path.startswith("withdrawals/")] == []
