"""A sweep, for people and as JSON."""

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.cli.energy_model_text import milli, say_what_it_is_of
from groupnl_deploy.energy_model.layer import LayerShape
from groupnl_deploy.energy_model.sweep import UNITS

if TYPE_CHECKING:
    from groupnl_deploy.energy_sweep.carry_out import SweepDone
    from groupnl_deploy.energy_sweep.measured import Cell


def show_sweep(done: "SweepDone") -> None:
    """Layer by layer the cheapest number of groups, depthwise and a single group; then every cost."""
    plan = done.plan
    unit = f"m{UNITS[plan.quantity]}"
    console.show_prose(f"{plan.quantity.capitalize()} of one layer and frame on {plan.key}.")
    say_what_it_is_of(plan.quantity, plan.emulated)
    headings = [("Channels, kernel, maps", False), ("g", True), ("G", True)]
    headings += [(text, True) for text in (unit, "Lowest", "Highest", "Windows")] + [("Clock, MHz", True)]
    rows = [
        (
            str(cell.shape) if cell.groups == 1 else "",
            str(cell.groups),
            "depthwise" if cell.shape.is_depthwise(cell.groups) else f"{cell.shape.group_size(cell.groups):g}",
            *_costs_of(cell),
            f"{len(cell.sound)} of {len(cell.windows)}",
            _clock_of(cell),
        )
        for cell in done.cells
    ]
    console.show_table(headings, rows)
    for cell in _cheapest(done.cells):
        size = cell.shape.group_size(cell.groups)
        console.show_text(f"{cell.shape}: depthwise aside, g = {cell.groups} (G = {size:g}) costs least.")
    if done.unsound:
        console.show_prose("!: no window of it is valid, and it is in no fit.")


def _costs_of(cell: "Cell") -> tuple[str, str, str]:
    """Mean, lowest and highest; marked where none may be believed."""
    costs, mark = (cell.sound, "") if cell.sound else (cell.known, "!")
    if not costs:
        return "–", "–", "–"
    mean, low, high = (f"{milli(cost)}{mark}" for cost in (fmean(costs), min(costs), max(costs)))
    return mean, low, high


def _clock_of(cell: "Cell") -> str:
    clocks = [one.clock_mhz for one in cell.windows if one.clock_mhz is not None]
    return f"{min(clocks):.0f}" if clocks else "–"


def _cheapest(cells: "Sequence[Cell]") -> "list[Cell]":
    """Of each layer that was measured whole, depthwise aside, which runtimes compute in a way of its own."""
    lacking = {cell.shape for cell in cells if not cell.sound}
    found: dict[LayerShape, Cell] = {}
    for cell in cells:
        if cell.shape not in lacking and not cell.shape.is_depthwise(cell.groups):
            found[cell.shape] = min(found.get(cell.shape, cell), cell, key=lambda one: fmean(one.sound))
    return list(found.values())


def sweep_json(done: "SweepDone") -> dict[str, Any]:
    """All of it; costs are in J or s, as `unit` says, of one layer and frame."""
    plan = done.plan
    return {
        "schema_version": 1,
        "folder": str(done.folder),
        "sweep": None if done.record is None else str(done.record),
        "device": plan.device,
        "key": to_dict(plan.key),
        "quantity": plan.quantity,
        "unit": UNITS[plan.quantity],
        "meter": plan.meter,
        "emulated": plan.emulated,
        "copies": plan.copies,
        "cells": [
            {
                **to_dict(cell.shape),
                "groups": cell.groups,
                "cost": fmean(cell.sound) if cell.sound else None,
                "windows": to_dict(cell.windows),
            }
            for cell in done.cells
        ],
    }
