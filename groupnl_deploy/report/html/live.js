// A page that goes on: asks the server that it came from what is new, shows it, and gives the samples to charts.js.
(() => {
  "use strict";
  const { live } = JSON.parse(document.getElementById("data").textContent);
  const find = (name) => document.querySelectorAll(`[data-live=${name}]`);
  const put = (name, text) => { for (const one of find(name)) if (one.textContent !== text) one.textContent = text; };
  const title = document.title;
  let next = 0, heard = performance.now(), window_s = 60, ended = false;

  // What goes on and on is shown; what changes is said once, to those who hear the page.
  const status = (text, bad, said) => {
    put("status", text);
    if (bad || document.querySelector("[data-live=said]").textContent) put("said", said);
    for (const one of find("status")) one.classList.toggle("bad", bad);
    for (const one of find("figures")) one.classList.toggle("gone", bad);
  };
  const show = (told) => {
    next = told.next;
    for (const [name, text] of Object.entries(told.figures)) put(name, text);
    for (const one of find("invalid")) one.hidden = !told.words.includes("INVALID");
    status(told.status, told.gone, told.gone ? "The meter is gone." : "The meter is back.");
    document.title = told.gone ? `gone – ${title}` : `${[told.figures.power, ...told.words].join(" ")} – ${title}`;
    dispatchEvent(new CustomEvent("samples", { detail: { ...told, window: window_s, most: live.most } }));
  };
  const lost = () => {
    const silent = Math.round((performance.now() - heard) / 1000);
    if (silent < 2) return;
    status(`No answer from groupnl for ${silent} s: it has ended, or this machine has slept. What came until then is shown.`, true, "No answer from groupnl.");
    document.title = `ended – ${title}`;
  };

  const ask = async () => {
    try {
      const answer = await fetch(`samples?after=${next}`, { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (answer.status === 404) ended = true; // another one has the port now
      if (!answer.ok) throw new Error(answer.statusText);
      show(await answer.json());
      heard = performance.now();
    } catch {
      lost();
    }
    if (!ended) setTimeout(ask, performance.now() - heard < 60000 ? live.every : 5000);
  };

  for (const radio of document.querySelectorAll("input[name=window]"))
    radio.addEventListener("change", () => {
      window_s = Number(radio.value) || null;
      dispatchEvent(new CustomEvent("window", { detail: window_s }));
    });
  ask();
})();
