// Every text of the page that is less readable than WCAG 2.2 asks of level AA: its ratio, colours and words.
const parse = (text) => {
  const numbers = text.match(/[\d.]+/g).map(Number);
  if (text.startsWith("color(srgb")) return [...numbers.slice(0, 3).map((one) => 255 * one), numbers[3] ?? 1];
  return [...numbers.slice(0, 3), numbers[3] ?? 1];
};
const over = ([r, g, b, a], under) => [r, g, b].map((one, index) => one * a + under[index] * (1 - a));
const behind = (element) => {
  const layers = [];
  for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
  return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
};
const luminance = (colour) => {
  const [r, g, b] = colour.map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ratio = (a, b) => {
  const [light, dark] = [luminance(a), luminance(b)].sort((one, other) => other - one);
  return (light + 0.05) / (dark + 0.05);
};
const found = [], seen = { count: 0, least: 21 };
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement, words = node.textContent.trim();
  if (!words || ["SCRIPT", "STYLE", "NOSCRIPT", "title"].includes(element.tagName) || !element.checkVisibility()) continue;
  const style = getComputedStyle(element), size = parseFloat(style.fontSize);
  const paint = element instanceof SVGElement ? style.fill : style.color;
  const under = behind(element), value = ratio(over(parse(paint), under), under);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  seen.count += 1;
  seen.least = Math.min(seen.least, value);
  if (value < (large ? 3 : 4.5)) found.push([value.toFixed(2), paint, `rgb(${under.map(Math.round)})`, words.slice(0, 60)]);
}
// What is drawn on a canvas: its words on the page, and on each band of a phase.
const css = (name) => { const probe = document.createElement("i"); document.body.append(probe); probe.style.color = `var(${name})`; const colour = parse(getComputedStyle(probe).color); probe.remove(); return colour; };
const paper = over(css("--page"), [255, 255, 255]);
for (const name of ["--idle", "--work", "--ready", "--other", "--page"]) {
  const [r, g, b] = css(name), under = over([r, g, b, 0.16], paper), value = ratio(css("--soft").slice(0, 3), under);
  seen.least = Math.min(seen.least, value);
  if (value < 4.5) found.push([value.toFixed(2), "--soft", name, "on a canvas"]);
}
{ // The numbers of a heat map on its darkest square.
  const value = ratio(css("--ink").slice(0, 3), over([...css("--c1").slice(0, 3), 0.5], paper));
  seen.least = Math.min(seen.least, value);
  if (value < 4.5) found.push([value.toFixed(2), "--ink", "--c1", "in a heat map"]);
}
for (let index = 0; index < 8; index += 1) {
  const value = ratio(css(`--c${index}`).slice(0, 3), paper);
  if (value < 3) found.push([value.toFixed(2), `--c${index}`, "--page", "a curve"]);
}
return [found, seen];
