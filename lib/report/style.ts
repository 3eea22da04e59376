/** One style for light and dark, wide and narrow, screen and paper. Nothing is fetched. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #fbfaf8; --card: #ffffff; --ink: #1f2328; --soft: #5c6570; --rule: #dfe2e6; --grid: #eceef1;
  --zero: #b4552d; --one: #22669c; --middle: #8a7a1f; --before: #8b929b; --after: #22669c; --good: #1d7a46; --bad: #b3362b;
  --code: #f3f2ee;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --card: #1b1f24; --ink: #e4e7ea; --soft: #9aa4ae; --rule: #343a41; --grid: #282d33;
    --zero: #ec9a6e; --one: #74b5ea; --middle: #d9c65a; --before: #8d96a0; --after: #74b5ea; --good: #62c48d; --bad: #f08a80;
    --code: #23282e;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: anywhere;
}
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 1.15rem; margin: 0 0 10px; }
h3 { font-size: 1rem; margin: 0 0 8px; }
h4 { font-size: .85rem; margin: 10px 0 0; color: var(--soft); font-weight: 600; }
p { margin: 6px 0; max-width: 72ch; }
.soft { color: var(--soft); }
section, .half { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 18px 20px; margin-top: 16px; }
.halves { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); gap: 16px; margin-top: 16px; }
.half { margin: 0; min-width: 0; }
.verdict { font-size: 1.15rem; margin: 14px 0 0; max-width: none; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 16px 0 0; padding: 0; }
.tiles div { border-left: 3px solid var(--rule); padding: 0 0 0 10px; }
.tiles dt { color: var(--soft); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.tiles dd small { font-size: .8rem; color: var(--soft); display: inline-block; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { overflow-wrap: break-word; }
.scroll { overflow-x: auto; }
.scroll .measures { min-width: 560px; }
.facts td { overflow-wrap: anywhere; } .facts td:first-child { min-width: 8.5em; overflow-wrap: break-word; }
th, td { text-align: left; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
tr:last-child td { border-bottom: 0; }
.n { text-align: right; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); }
svg { display: block; width: 100%; height: auto; font-size: 12px; }
svg text { fill: var(--soft); font-family: inherit; }
.note { paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; }
svg .strong { fill: var(--ink); font-weight: 600; }
.grid { stroke: var(--grid); } .axis, .mark { stroke: var(--rule); }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .faint { opacity: .35; stroke-width: 1; }
.area { fill-opacity: .28; stroke-width: 1.4; stroke-linejoin: round; }
.level { stroke: var(--before); stroke-dasharray: 5 4; } .threshold { stroke: var(--ink); stroke-dasharray: 3 3; }
.ring { fill: none; stroke: var(--ink); stroke-width: 1.6; }
.line.zero, .area.zero { stroke: var(--zero); } .line.one, .area.one { stroke: var(--one); } .area.middle { stroke: var(--middle); }
.line.before { stroke: var(--before); } .line.after { stroke: var(--after); }
.area.zero, .dot.zero, .key.zero::before { fill: var(--zero); background: var(--zero); }
.area.one, .dot.one, .key.one::before { fill: var(--one); background: var(--one); }
.area.middle, .key.middle::before { fill: var(--middle); background: var(--middle); }
.dot.before, .key.before::before { fill: var(--before); background: var(--before); }
.dot.after, .key.after::before { fill: var(--after); background: var(--after); }
.legend { margin: 0 0 4px; font-size: .85rem; color: var(--soft); display: flex; flex-wrap: wrap; gap: 2px 16px; }
.key::before { content: ""; display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; }
pre { background: var(--code); border-radius: 6px; padding: 12px 14px; overflow-x: auto; font-size: .85rem; line-height: 1.45; margin: 8px 0; }
code { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
.texts { overflow-wrap: anywhere; } .texts p { margin: 0 0 2px; max-width: none; }
details { margin-top: 10px; } summary { cursor: pointer; color: var(--soft); }
ul { padding-left: 20px; margin: 6px 0; }
footer { margin-top: 20px; color: var(--soft); font-size: .85rem; }
@media (max-width: 560px) {
  main { padding: 18px 12px 40px; } section, .half { padding: 14px 12px; } h1 { font-size: 1.3rem; }
  svg { font-size: 13.5px; }
  .rows thead { display: none; } .rows tr { display: block; border-bottom: 1px solid var(--rule); padding: 8px 0; }
  .rows td { display: inline-block; border: 0; padding: 0 14px 0 0; } .rows td.texts { display: block; overflow-wrap: anywhere; }
  .rows td[data-name]::before { content: attr(data-name) " "; color: var(--soft); font-size: .8rem; }
}
@media print { body { background: #fff; } section, .half { break-inside: avoid; } }
`.trim();
