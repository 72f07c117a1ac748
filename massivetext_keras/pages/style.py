"""How the page of a report looks: light or dark, on a phone or a desk, on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fbfaf7; --card: #ffffff; --ink: #1d2327; --soft: #5a646b;
  --line: #dcdad2; --faint: #9aa1a6; --kept: #0b6e99; --dropped: #c05621;
  --letters: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans",
    "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC",
    "Source Han Sans SC", "WenQuanYi Micro Hei", sans-serif;
  --code: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono",
    "Noto Sans Mono CJK SC", "WenQuanYi Micro Hei Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181b; --card: #1c2226; --ink: #e6e8e9; --soft: #a3adb3;
    --line: #343c42; --faint: #6f7a81; --kept: #58b7e0; --dropped: #ec9152;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 4rem; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 1rem/1.55 var(--letters); overflow-wrap: break-word;
}
.frame { max-width: 78rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 0 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .5rem; }
p { margin: .3rem 0 .9rem; max-width: 46rem; }
.soft { color: var(--soft); }
a { color: var(--kept); }
nav ol { list-style: none; margin: 0; padding: 0; }
nav a { display: block; padding: .25rem .6rem; text-decoration: none;
  border-radius: .4rem; }
nav a:hover, nav a:focus-visible { background: var(--line); }
section {
  background: var(--card); border: 1px solid var(--line); border-radius: .7rem;
  padding: 1.1rem 1.25rem; margin: 0 0 1.25rem; min-width: 0;
}
.tiles { display: grid; gap: .75rem; margin: 1.2rem 0;
  grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); }
.tiles div { background: var(--card); border: 1px solid var(--line);
  border-radius: .7rem; padding: .7rem .9rem; }
.tiles b { display: block; font-size: 1.45rem; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.tiles span { display: block; color: var(--soft); font-size: .85rem; line-height: 1.4; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .32rem .6rem; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; font-size: .82rem; white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td:first-child { min-width: 6rem; }
tr.step td { font-weight: 600; }
tr.rule td:first-child { padding-left: 1.6rem; }
tr.rule td { color: var(--soft); }
tr.total td { font-weight: 700; }
td.bar { min-width: 9rem; width: 30%; vertical-align: middle; }
.bar div { display: flex; height: .8rem; border-radius: .2rem; overflow: hidden;
  background: color-mix(in srgb, var(--line) 55%, transparent); }
.bar i { background: var(--kept); }
.bar i + i, .bar i.dropped { background: var(--dropped); }
.key i { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem;
  margin: 0 .35rem 0 .9rem; vertical-align: -.05rem; }
.pictures { display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
figure { margin: 0; min-width: 0; max-width: 36rem; }
figcaption { color: var(--soft); font-size: .9rem; margin-bottom: .3rem; }
.wide + figure, .wide + .pictures { margin-top: 1.1rem; }
figure svg { width: 100%; height: auto; display: block; }
details { border-bottom: 1px solid var(--line); }
details > summary { cursor: pointer; padding: .5rem .2rem; }
summary .count { color: var(--soft); font-variant-numeric: tabular-nums; }
code, pre { font-family: var(--code); font-size: .86rem; }
.sample { border-left: 3px solid var(--dropped); margin: .7rem 0 1rem .2rem;
  padding: 0 0 0 .8rem; min-width: 0; }
.cluster { border-left-color: var(--kept); }
.sample .facts { color: var(--soft); font-size: .85rem; }
.sample .facts b { color: var(--ink); }
pre { margin: .35rem 0 0; padding: .6rem .7rem; border-radius: .4rem;
  background: var(--page); border: 1px solid var(--line); max-height: 11rem;
  overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere;
  unicode-bidi: plaintext; }
.words { columns: 11rem; column-gap: 2rem; margin: 0; padding: 0; font-size: .92rem;
  counter-reset: rank; list-style: none; }
.words li { display: flex; gap: .7rem; break-inside: avoid; padding: .12rem 0;
  counter-increment: rank; }
.words li::before { content: counter(rank); color: var(--soft); min-width: 2rem;
  text-align: right; font-variant-numeric: tabular-nums; }
.words .number { margin-left: auto; color: var(--soft); }
footer { color: var(--soft); font-size: .85rem; margin-top: 2rem; }
@media (min-width: 64rem) {
  .frame { display: grid; grid-template-columns: 13rem minmax(0, 1fr); gap: 0 2rem; }
  header, footer { grid-column: 2; }
  nav { position: sticky; top: 1.5rem; align-self: start; grid-row: 1 / span 3; }
}
@media (max-width: 63.99rem) {
  nav ol { display: flex; flex-wrap: wrap; gap: .15rem; margin: 0 0 1rem -.6rem; }
}
@media (max-width: 40rem) {
  .frame { padding: 1rem .8rem 3rem; }
  section { padding: .9rem .8rem; }
  h1 { font-size: 1.5rem; }
  th, td { padding: .3rem .4rem; }
  table { font-size: .86rem; }
  .spare { display: none; }
  td.bar { min-width: 4.5rem; width: 22%; }
  td:first-child { min-width: 4.5rem; }
}
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb;
    --faint: #888; --kept: #0b6e99; --dropped: #c05621; color-scheme: light; }
  body { font-size: 10pt; }
  nav { display: none; }
  .frame { display: block; max-width: none; padding: 0; }
  section { border: 0; padding: 0; border-radius: 0; }
  figure, .sample, tr, .tiles div { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
  pre { max-height: none; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .bar div, .bar i, .key i { print-color-adjust: exact; }
}
"""
