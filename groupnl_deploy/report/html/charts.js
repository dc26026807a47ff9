// The charts over time: power, joules as they add up, latencies. Each is a uPlot; all words are set as text, never as markup.
(() => {
  "use strict";
  const page = JSON.parse(document.getElementById("data").textContent);
  const began = performance.now();
  const charts = new Map(); // the element of each chart, to its uPlot and what it can do
  const shade = matchMedia("(prefers-color-scheme: dark)");
  const shown = new Set(page.runs.keys());
  let align = "begin";

  // Each colour is read once: after a change of the page, reading one styles all of it anew.
  const colours = new Map();
  const css = (name) => {
    if (!colours.has(name)) colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
    return colours.get(name);
  };
  const phaseColour = { idle_before: "--idle", idle_after: "--idle", cooldown: "--idle", steady: "--work", command: "--work", warmup: "--ready", runout: "--ready" };
  const make = (name, attributes, text) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // Little-endian 32-bit floats in base64; NaN is a hole, at which uPlot lifts its pen for null.
  const unpack = (text) => {
    const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Array.from({ length: bytes.length / 4 }, (_, index) => {
      const value = view.getFloat32(4 * index, true);
      return Number.isNaN(value) ? null : value;
    });
  };
  const cache = new Map();
  const column = (run, group, name) => {
    const key = `${run} ${group} ${name}`;
    if (!cache.has(key)) cache.set(key, unpack(page.runs[run][group][name]));
    return cache.get(key);
  };

  const zero = (run) => (align === "steady" ? page.runs[run].steady : 0);
  const letters = { power: "w", joules: "j", voltage: "v" };
  const drawnRuns = (kind) => [...shown].sort((a, b) => a - b).filter((run) => page.runs[run].power && page.runs[run].power[letters[kind]] !== null);
  const overTime = (kind) => (run) => {
    const power = page.runs[run].power;
    const lost = kind === "joules" && align === "steady" ? power.zero : 0;
    const times = column(run, "power", "t").map((t) => t - zero(run));
    const values = column(run, "power", letters[kind]).map((value) => (value === null ? null : value - lost));
    return { times, values };
  };

  const paths = (run) => {
    const steps = page.runs[run].power.steps;
    if (steps === "line") return undefined;
    return uPlot.paths.stepped({ align: steps === "before" ? -1 : 1 });
  };
  const marked = (run, what) => page.runs[run].name + (page.runs[run].marks[what] ? ` ${page.runs[run].marks[what]}` : "");

  const axis = (label, size) => ({
    label, stroke: css("--soft"), size, labelSize: 20, font: "12px system-ui, sans-serif", labelFont: "12.5px system-ui, sans-serif",
    grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--grid"), width: 1, size: 5 },
  });

  // Draws within the plot alone, in the small letters of a chart.
  const within = (plot, paint) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.textBaseline = "top";
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    paint(ctx, bbox);
    ctx.restore();
  };
  const places = (plot, start, end) => [plot.valToPos(start, "x", true), plot.valToPos(end, "x", true)];
  const holesOf = (runs) => (runs.length === 1 && page.runs[runs[0]].power ? page.runs[runs[0]].power.holes : []);

  // The phases of one run as bands behind its curve and, where it is alone, when nothing was measured.
  const bands = (runs, origin = zero) => (plot) => within(plot, (ctx, bbox) => {
    const fill = (start, end, colour, alpha) => {
      const [left, right] = places(plot, start - origin(runs[0]), end - origin(runs[0]));
      ctx.globalAlpha = alpha;
      ctx.fillStyle = css(colour);
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
    };
    for (const [name, , start, end] of runs.length ? page.runs[runs[0]].phases : []) fill(start, end, phaseColour[name] || "--other", 0.16);
    for (const [start, end] of holesOf(runs)) fill(start, end, "--line", 0.55);
  });

  // And what they are called, where there is room.
  const names = (runs, origin = zero) => (plot) => within(plot, (ctx, bbox) => {
    const write = (words, start, end, top) => {
      const [left, right] = places(plot, start - origin(runs[0]), end - origin(runs[0]));
      const [from, to] = [Math.max(left, bbox.left), Math.min(right, bbox.left + bbox.width)];
      if (to - from > ctx.measureText(words).width + 8) ctx.fillText(words, (from + to) / 2, top);
    };
    ctx.fillStyle = css("--soft");
    ctx.textAlign = "center";
    for (const [, words, start, end] of runs.length ? page.runs[runs[0]].phases : []) write(words, start, end, bbox.top + 4 * devicePixelRatio);
    for (const [start, end] of holesOf(runs)) write("no measurement", start, end, bbox.top + bbox.height / 2);
  });

  // What somebody marked: an upright line each, with its words beside it, above the curves and below those that it would cover.
  const FLAG_ROWS = 3;
  const flags = (runs) => (plot) => within(plot, (ctx, bbox) => {
    const line = 14 * devicePixelRatio, pad = 4 * devicePixelRatio, ends = [];
    ctx.textAlign = "left";
    for (const run of runs)
      for (const [at, words] of page.runs[run].flags) {
        const x = Math.round(plot.valToPos(at - zero(run), "x", true)), width = ctx.measureText(words).width;
        if (x < bbox.left - width || x > bbox.left + bbox.width) continue;
        ctx.strokeStyle = ctx.fillStyle = css(runs.length > 1 ? `--c${page.runs[run].colour}` : "--ink");
        ctx.lineWidth = devicePixelRatio;
        ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
        ctx.beginPath();
        ctx.moveTo(x + 0.5, bbox.top);
        ctx.lineTo(x + 0.5, bbox.top + bbox.height);
        ctx.stroke();
        const left = Math.min(x + pad, bbox.left + bbox.width - width - pad);
        let row = ends.findIndex((end) => end < left);
        if (row < 0) row = ends.length;
        if (row === FLAG_ROWS) continue; // no room; zooming makes some
        ends[row] = left + width + pad;
        const ink = ctx.fillStyle, top = bbox.top + pad + (row + 1) * line;
        ctx.globalAlpha = 0.8;
        ctx.fillStyle = css("--page");
        ctx.fillRect(left - 1, top - 1, width + 2, line - 1);
        ctx.globalAlpha = 1;
        ctx.fillStyle = ink;
        ctx.fillText(words, left, top);
      }
  });

  // The last value at or before an instant.
  const before = (times, at) => {
    let low = 0, high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= at) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  };

  // A range with some room that spans at least this share of its middle: the noise of a steady supply is no event.
  const atLeast = (low, high, share) => {
    if (low === null) return [0, 1];
    const middle = (low + high) / 2, half = Math.max(0.6 * (high - low), (share / 2) * Math.abs(middle), 1e-3);
    return [middle - half, middle + half];
  };

  // As uPlot's own, but for the voltage, and with room for the words of flags.
  const upright = (kind, runs) => (plot, low, high) => {
    const [from, to] = kind === "voltage" || low === null ? atLeast(low, high, 0.05) : uPlot.rangeNum(low, high, 0.1, true);
    const flagged = runs.reduce((sum, run) => sum + page.runs[run].flags.length, 0);
    if (!flagged) return [from, to];
    const share = Math.min(0.5, (22 + 14 * Math.min(flagged, FLAG_ROWS)) / Math.max(plot.height - 60, 1));
    return [from, from + (to - from) / (1 - share)];
  };

  const timeChart = (kind) => {
    const what = { power: ["Power (W)", "W"], joules: ["Energy (J)", "J"], voltage: ["Voltage (V)", "V"] }[kind];
    const runs = drawnRuns(kind), curves = runs.map(overTime(kind));
    const known = curves.some(({ times }) => times.length);
    const data = known ? uPlot.join(curves.map(({ times, values }) => [times, values]), curves.map(() => [0, 2])) : [[0, 1], [null, null]];
    const series = runs.map((run) => ({
      label: page.runs[run].name, stroke: css(`--c${page.runs[run].colour}`), width: 1.4,
      paths: kind === "joules" ? undefined : paths(run), points: { show: false },
    }));
    const readout = (at) =>
      runs.map((run, place) => {
        const { times, values } = curves[place], index = before(times, at);
        if (index < 0 || at > times[times.length - 1]) return null;
        const hole = values[index] === null || (values[index + 1] === null && at > times[index]);
        return `${marked(run, "energy")}: ${hole ? "no measurement" : `${values[index].toPrecision(5)} ${what[1]}`}`;
      });
    return {
      data, series: series.length ? series : [{ label: "nothing chosen" }], readout: (at) => [`${at.toFixed(3)} s`, ...readout(at)],
      axes: [axis(page.axes[align], 30), axis(what[0], 58)],
      hooks: { drawClear: [bands(runs)], draw: [names(runs), flags(runs)] }, sync: "time",
      scales: { y: { range: upright(kind, runs) } },
    };
  };

  const latencyChart = (run) => {
    const { per, count } = page.runs[run].latency;
    const data = ["n", "low", "mid", "high"].map((name) => column(run, "latency", name));
    const line = (label, colour, width) => ({ label, stroke: colour, width, points: { show: false } });
    const tint = css(`--c${page.runs[run].colour}`);
    return {
      data, bands: per > 1 ? [{ series: [3, 1], fill: `${tint}33` }] : undefined,
      series: per > 1 ? [line("lowest", tint, 0.8), line("median", css("--ink"), 1.6), line("highest", tint, 0.8)]
        : [{ show: false }, line("latency", tint, 1.1), { show: false }],
      readout: (at) => {
        const index = before(data[0], at);
        const [low, middle, high] = [1, 2, 3].map((place) => data[place][index].toPrecision(4));
        const from = data[0][index] + 1;
        return [per > 1 ? `inferences ${from} to ${Math.min(from + per - 1, count)}` : `inference ${from}`, per > 1 ? `${low} / ${middle} / ${high} ms` : `${middle} ms`, page.runs[run].marks.time];
      },
      axes: [axis("Inference", 30), axis("Latency (ms)", 58)], hooks: {},
    };
  };

  const boardChart = (run) => {
    const data = ["t", "c", "ghz"].map((name) => column(run, "board", name));
    const [warm, fast] = [css("--c1"), css("--c0")], told = (values) => values.some((one) => one !== null);
    const line = (label, stroke, scale, values) => ({ label, stroke, scale, width: 1.8, show: told(values), points: { show: false } });
    return {
      data, series: [line("temperature", warm, "c", data[1]), { ...line("clock", fast, "ghz", data[2]), paths: uPlot.paths.stepped({ align: 1 }) }],
      readout: (at) => {
        const index = before(data[0], at);
        if (index < 0) return [];
        const [warmth, clock] = [data[1][index], data[2][index]];
        return [`${at.toFixed(1)} s`, warmth === null ? "" : `${warmth.toFixed(1)} °C`, clock === null ? "" : `${clock.toFixed(2)} GHz`];
      },
      axes: [axis(page.axes.begin, 30), { ...axis("Temperature (°C)", 52), scale: "c", stroke: warm, show: told(data[1]) },
        { ...axis("Clock (GHz)", 48), scale: "ghz", side: told(data[1]) ? 1 : 3, stroke: fast, grid: { show: !told(data[1]) }, show: told(data[2]) }],
      hooks: { drawClear: [bands([run], () => 0)], draw: [names([run], () => 0)] }, scales: { ghz: { range: (_, low, high) => [Math.max(0, low - 0.15), high + 0.15] } },
    };
  };

  const kinds = { power: timeChart, joules: timeChart, voltage: timeChart, latency: (_, run) => latencyChart(run), board: (_, run) => boardChart(run) };

  const view = (plot, change) => {
    const { min, max } = plot.scales.x, whole = plot.data[0];
    const [first, last] = [whole[0], whole[whole.length - 1]];
    const { scale = 1, move = 0 } = change, width = (max - min) * scale;
    if (change.all || width >= last - first) return plot.setScale("x", { min: first, max: last });
    const begin = Math.min(Math.max((min + max) / 2 - width / 2 + move * width, first), last - width);
    return plot.setScale("x", { min: begin, max: begin + width });
  };

  // Of a recording that goes on, the newest is at the right until somebody looks elsewhere.
  const newest = { follow: Boolean(page.live), until: 0, window: 60 };
  const followed = (plot) => {
    const first = plot.data[0][0] || 0, from = newest.window === null ? first : Math.max(newest.until - newest.window, 0);
    plot.setScale("x", { min: from, max: Math.max(newest.until, from + 1) });
  };
  const timed = () => [...charts.values()].filter((one) => one.sync === "time");

  const together = (host, change) => {
    if (page.live) newest.follow = Boolean(change.all);
    if (newest.follow) return timed().forEach(({ plot }) => followed(plot));
    const { plot, sync } = charts.get(host);
    for (const other of sync ? [...charts.values()].filter((one) => one.sync === sync) : [{ plot }]) view(other.plot, change);
  };

  const keys = { "+": { scale: 0.5 }, "=": { scale: 0.5 }, "-": { scale: 2 }, 0: { all: true } };
  const pressed = (host) => (event) => {
    const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const change = arrow && event.shiftKey ? { move: 0.25 * arrow } : keys[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || (!arrow && !change)) return;
    event.preventDefault();
    if (change) return together(host, change);
    const { plot } = charts.get(host), width = plot.over.clientWidth;
    const at = plot.cursor.left >= 0 ? plot.cursor.left : width / 2;
    plot.setCursor({ left: Math.min(Math.max(at + arrow * Math.max(1, width / 100), 0), width - 1), top: plot.over.clientHeight / 2 });
  };

  const tools = (host) => {
    const bar = make("div", { class: "tools", role: "group", "aria-label": `View of: ${host.getAttribute("aria-label")}` });
    const said = [["+", "Zoom in", { scale: 0.5 }], ["−", "Zoom out", { scale: 2 }], ["←", "Move left", { move: -0.25 }], ["→", "Move right", { move: 0.25 }], ["All", "Show all", { all: true }]];
    for (const [text, words, change] of said) {
      const button = make("button", { type: "button", "aria-label": words, title: words }, text);
      button.addEventListener("click", () => together(host, change));
      bar.append(button);
    }
    host.before(bar);
  };

  const draw = (host) => {
    const { chart, run } = host.dataset, old = charts.get(host);
    const made = kinds[chart](chart, Number(run));
    const output = old ? old.output : make("output", { class: "readout", "aria-live": "polite" });
    if (old) old.plot.destroy();
    else {
      tools(host);
      host.after(output);
      host.tabIndex = 0;
      host.setAttribute("role", "application");
      host.setAttribute("aria-roledescription", "chart");
      host.addEventListener("keydown", pressed(host));
    }
    const told = (plot) => {
      const at = plot.cursor.left;
      output.textContent = at === undefined || at < 0 ? "" : charts.get(host).made.readout(plot.posToVal(at, "x")).filter(Boolean).join(" · ");
    };
    const zoomed = (plot) => {
      const select = plot.select;
      if (select.width > 2) newest.follow = false;
      if (select.width > 2 && made.sync) {
        const [min, max] = [plot.posToVal(select.left, "x"), plot.posToVal(select.left + select.width, "x")];
        for (const other of charts.values()) if (other.sync === made.sync && other.plot !== plot) other.plot.setScale("x", { min, max });
      }
    };
    const options = {
      width: host.clientWidth, height: host.clientHeight, legend: { show: false }, bands: made.bands,
      scales: { x: { time: false }, ...made.scales }, axes: made.axes, series: [{}, ...made.series],
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false }, ...(made.sync ? { sync: { key: made.sync } } : {}) },
      hooks: { ...made.hooks, setCursor: [told], setSelect: [zoomed] },
    };
    const plot = new uPlot(options, made.data, host);
    plot.over.addEventListener("dblclick", () => together(host, { all: true }));
    charts.set(host, { plot, output, made, sync: made.sync });
    if (newest.follow) followed(plot);
  };

  const visible = (host) => host.clientWidth > 0;
  const drawAll = (again) => {
    if (again) colours.clear();
    for (const host of document.querySelectorAll("[data-chart]")) if (visible(host) && (again || !charts.has(host))) draw(host);
  };
  const resize = () => {
    for (const [host, { plot }] of charts) if (visible(host)) plot.setSize({ width: host.clientWidth, height: host.clientHeight });
  };
  const timeCharts = () => {
    for (const host of charts.keys()) if (host.dataset.chart in letters) draw(host);
  };

  for (const box of document.querySelectorAll("[data-show]")) {
    const run = Number(box.dataset.show);
    const changed = () => (box.checked ? shown.add(run) : shown.delete(run));
    changed();
    box.addEventListener("change", () => { changed(); timeCharts(); });
  }
  for (const radio of document.querySelectorAll("input[name=align]"))
    radio.addEventListener("change", () => { align = radio.value; timeCharts(); });
  document.addEventListener("toggle", () => drawAll(false), true);
  addEventListener("resize", resize);
  shade.addEventListener("change", () => drawAll(true));

  // Samples of a recording that goes on, which is the page's only one; those that are too many are let go of.
  addEventListener("samples", ({ detail }) => {
    const power = page.runs[0].power;
    for (const name of ["t", "w", "v", "j"]) {
      const values = column(0, "power", name);
      if (detail.anew) values.length = 0;
      for (const value of detail[name]) values.push(value);
      if (values.length > detail.most) values.splice(0, values.length - detail.most);
    }
    if (detail.anew) power.known = [];
    power.known = [...(power.known || []), ...detail.holes];
    const times = column(0, "power", "t"), last = times[times.length - 1];
    power.holes = detail.gone && times.length ? [...power.known, [last, detail.until]] : power.known;
    page.runs[0].flags = detail.flags;
    Object.assign(newest, { until: detail.until, window: detail.window });
    for (const [host, entry] of charts) {
      entry.made = timeChart(host.dataset.chart);
      entry.plot.setData(entry.made.data, false);
      const { min, max } = entry.plot.scales.x;
      if (newest.follow) followed(entry.plot);
      else entry.plot.setScale("x", { min, max });
    }
  });
  addEventListener("window", ({ detail }) => {
    Object.assign(newest, { follow: true, window: detail });
    for (const { plot } of timed()) followed(plot);
  });

  // A link to a run opens it; paper shows all of them.
  const opened = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", opened);
  const closed = [];
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("paper");
    for (const one of document.querySelectorAll("details:not([open])")) { closed.push(one); one.open = true; }
    drawAll(true);
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("paper");
    for (const one of closed.splice(0)) one.open = false;
    drawAll(true);
  });

  opened();
  drawAll(false);
  requestAnimationFrame(() => { document.documentElement.dataset.drawnMs = (performance.now() - began).toFixed(0); });
})();
