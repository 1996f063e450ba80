"""From measures to medians, ratios, verdicts and a Markdown table."""

import statistics

from .common import BUSY_MACHINE
from .measures import same_tokens

TITLES = {
    "load": "load",
    "encoder": "encoder",
    "prefill": "first decoder call",
    "step": "cached step",
    "caption": "encoder and all tokens",
    "first_caption": "process start to first caption",
    "image": "an image after the first",
    "image_own_clock": "the same by the engine's clock",
    "peak_bytes": "peak memory",
    "peak_over_weights": "peak memory / weight files",
    "equal": "captions equal to the reference",
    "same_tokens": "same tokens as vulcap",
    "other_load": "share of the CPUs used by others",
}


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarise(runs):
    """{"engines": {engine: {measure: median, min, max}}, "ratios": {peer: the same of vulcap / peer}}."""
    measured = {
        name: {m: [run[m] for run in own] for m in TITLES if own[0].get(m) is not None}
        for name, own in runs.items()
    }
    summary = {name: {m: spread(values) for m, values in own.items()} for name, own in measured.items()}
    ours = measured.get("vulcap", {})
    ratios = {}
    for peer in measured.keys() - {"vulcap"} if ours else ():
        ratios[peer] = {
            m: spread([a / b for a, b in zip(ours[m], theirs)])
            for m, theirs in measured[peer].items()
            if m in ours and m not in ("equal", "other_load") and min(theirs) > 0
        }
    return {"engines": summary, "ratios": ratios}


def bar_of(measure, peer, settings, bars):
    """The bar for vulcap's ratio to `peer`, or for vulcap's own value where `peer` is None."""
    if peer is None:
        return bars["vulcap"].get(settings.device, {}).get(measure)
    return bars["vulcap_over_peer"].get(peer, {}).get(measure)


def judge(summary, settings, bars, image_count):
    """[(text, met)] for each bar that this run measures."""
    verdicts = []
    for measure, value in summary["engines"].get("vulcap", {}).items():
        bar = image_count if measure == "equal" else bar_of(measure, None, settings, bars)
        if bar is not None:
            met = value["median"] >= bar if measure == "equal" else value["median"] <= bar
            verdicts.append((f"{TITLES[measure]}: {value['median']:.3g}, bar {bar:g}", met))
    for peer, ratios in summary["ratios"].items():
        for measure, ratio in ratios.items():
            bar = bar_of(measure, peer, settings, bars)
            if bar is not None:
                text = f"{TITLES[measure]}: {ratio['median']:.3f}x of {peer}, bar {bar:g}x"
                verdicts.append((text, ratio["median"] <= bar))
    return verdicts


# ---- report


def number(measure, value, image_count):
    if measure == "peak_bytes":
        return f"{value / 1e6:.0f} MB"
    if measure == "peak_over_weights":
        return f"{value:.2f}x"
    if measure == "other_load":
        return f"{100 * value:.0f} %"
    if measure == "equal":
        return f"{value:g} of {image_count}"
    return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.3g} ms"


def cell(measure, value, image_count):
    if value is None:
        return "-"
    low, middle, high = (number(measure, value[key], image_count) for key in ("min", "median", "max"))
    return middle if low == high else f"{middle} ({low} to {high})"


def ratio_cell(ratio):
    return f"**{ratio['median']:.2f}** ({ratio['min']:.2f} to {ratio['max']:.2f})" if ratio else "-"


def table(summary, engines, image_count):
    peers = [name for name in engines if name in summary["ratios"]]
    rows = [["", *engines, *(f"vulcap / {peer}" for peer in peers)]]
    rows.append(["---"] * len(rows[0]))
    for measure, title in TITLES.items():
        values = [summary["engines"][name].get(measure) for name in engines]
        if any(values):
            ratios = [ratio_cell(summary["ratios"][peer].get(measure)) for peer in peers]
            rows.append([title, *(cell(measure, value, image_count) for value in values), *ratios])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def report(workload, engines, runs, settings, bars, image_count):
    """Prints the table and the verdicts; returns (summary with verdicts, whether every bar is met)."""
    summary = summarise(runs)
    title = f"{workload}: {settings.model.name}, {settings.dtype}, {settings.device}"
    print(f"\n### {title}, {settings.threads} threads, {settings.rounds} rounds\n")
    print(table(summary, engines, image_count) + "\n")
    for peer, equal in same_tokens(runs).items() if workload == "graphs" else ():
        print(f"- {TITLES['same_tokens']}, {peer}: {'yes' if equal else 'NO'}")
    loads = [own.get("other_load", {"max": 0})["max"] for own in summary["engines"].values()]
    if max(loads) > BUSY_MACHINE:
        print(
            f"- busy machine: others used up to {100 * max(loads):.0f} % of the CPUs; repeat on a quiet one"
        )
    verdicts = judge(summary, settings, bars, image_count)
    for text, met in verdicts:
        print(f"- {'met' if met else 'MISSED'}: {text}")
    summary["bars"] = [{"text": text, "met": met} for text, met in verdicts]
    return summary, all(met for _, met in verdicts)
