"""An energy model and its predictions, for people and as JSON."""

from typing import Any

from device_agent.strict import to_dict
from groupnl_deploy.cli import console
from groupnl_deploy.energy_model.model import EnergyModel
from groupnl_deploy.energy_model.predict import Prediction, Variant
from groupnl_deploy.energy_model.rules import RuleName
from groupnl_deploy.energy_model.sweep import UNITS, Quantity
from groupnl_deploy.words import counted

_CALLED: dict[RuleName, str] = {
    "constant": "constant G",
    "additive": "E = e0 + e1·M + e2·A/G + e3·g",
    "paper": "g = m·n·d²·(h·w)^(1-β)/γ",
    "table": "measured costs, interpolated",
}
_SYMBOLS = {
    "group_size": "G",
    "base": "e0",
    "per_mac": "e1",
    "per_narrow_activation": "e2",
    "per_group": "e3",
    "beta": "β",
    "gamma": "γ",
}


def show_model(model: EnergyModel) -> None:
    """The four fits, their parameters, and what their choices cost for layers that they have not seen."""
    layers = len(model.table.rows)
    console.show_prose(
        f"{model.quantity.capitalize()} of {counted(layers, 'layer')}, {counted(model.windows, 'window')} each, on "
        f"{model.key}."
    )
    say_what_it_is_of(model.quantity, model.emulated)
    headings = [("Fit", False), ("Parameters, 95 %", False), ("Regret, mean %", True), ("worst %", True)]
    rows = [
        (_CALLED[one.rule], _parameters(model, one.rule), f"{100 * one.mean:.1f}", f"{100 * max(one.each):.1f}")
        for one in model.regrets
    ]
    console.show_table(headings, rows, wraps=True)
    console.show_prose(
        f"Regret: what a fit's choice costs more than the cheapest, for each layer left out once. Taken for choices: "
        f"{_CALLED[model.rule]}. Taken for costs of layers that were not measured: {_CALLED[model.law]} (median error "
        f"{100 * min(one.median for one in model.law_errors):.1f} %)."
    )
    console.show_prose(_of_the_paper(model))


def _of_the_paper(model: EnergyModel) -> str:
    right = "is" if model.constant_is_right else "is not"
    beta = model.paper.says_constant
    of_beta = (
        "whether β is 0.5 the layers do not tell"
        if beta is None
        else f"β is {model.paper.beta:.2f} ± {model.paper.beta_error:.2f}, "
        + ("which 0.5 is within" if beta else "which 0.5 is not within")
    )
    return f"A constant group size {right} as good here as the two laws; {of_beta}."


def say_what_it_is_of(quantity: Quantity, emulated: bool) -> None:
    """What keeps the costs from being a board's energy, where something does."""
    if quantity == "time":
        console.say("Note: no energy was measured here. Time stands in for it, and every cost is a time.")
    if emulated:
        console.say("Note: EMULATED: the meter was, so this tests the pipeline and is no measurement of any board.")


def _parameters(model: EnergyModel, rule: RuleName) -> str:
    if rule == "table":
        return counted(len(model.table.rows), "layer")
    fitted: Any = getattr(model, rule)
    between = {one.parameter: f" ({one.low:.3g} to {one.high:.3g})" for one in model.intervals if one.rule == rule}
    names = [name for name in vars(fitted) if name in _SYMBOLS]
    return ", ".join(f"{_SYMBOLS[name]} {getattr(fitted, name):.3g}{between.get(name, '')}" for name in names)


def show_prediction(network: str, model: EnergyModel, asked: Prediction) -> None:
    """Layer by layer, then the variants, the cheapest first."""
    unit = f"m{UNITS[model.quantity]}"
    console.show_prose(f"{network} on {model.key}: {model.quantity} of one frame, of its group convolutions alone.")
    say_what_it_is_of(model.quantity, model.emulated)
    headings = [("Layer", False), ("Channels, kernel, maps", False), ("Known", False)]
    headings += [(text, True) for text in ("Best g", "G", unit, f"Depthwise, {unit}")]
    rows = [
        (
            one.name,
            str(one.shape),
            "measured" if one.measured else "estimated",
            str(one.groups),
            str(one.group_size),
            milli(one.cost),
            "–" if one.depthwise_cost is None else milli(one.depthwise_cost),
        )
        for one in asked.layers
    ]
    console.show_table(headings, rows)
    best = asked.variants[0].cost
    shown = [(*_named(one), milli(one.cost), f"{one.cost / best:.2f}") for one in asked.variants]
    console.show_table([("Variant", False), ("Groups", False), (f"{unit}/frame", True), ("Times", True)], shown)
    console.show_prose(_verdict(asked))


def _named(variant: Variant) -> tuple[str, str]:
    letter = {"E2GC": "G", "FgGC": "g"}.get(variant.kind)
    return variant.kind, f"{letter}={variant.number}" if letter else "–"


def milli(cost: float) -> str:
    """In thousandths, with four digits."""
    return f"{1e3 * cost:.4g}"


def _verdict(asked: Prediction) -> str:
    size = asked.best("E2GC")
    if size is None:
        return "No group size is one that all of these convolutions can have."
    alone = asked.best("depthwise")
    depthwise = "" if alone is None else f" Depthwise costs {alone.cost / size.cost:.2f} times that."
    return f"The best constant group size is G = {size.number}.{depthwise} What it does to accuracy is not in here."


def prediction_json(network: str, model: EnergyModel, asked: Prediction) -> dict[str, Any]:
    """All of it; costs are in J or s, as `unit` says."""
    best = asked.best("E2GC")
    return {
        "schema_version": 1,
        "network": network,
        "key": to_dict(model.key),
        "quantity": model.quantity,
        "unit": UNITS[model.quantity],
        "meter": model.meter,
        "emulated": model.emulated,
        "rule": model.rule,
        "law": model.law,
        "best_group_size": None if best is None else best.number,
        **to_dict(asked),
    }
