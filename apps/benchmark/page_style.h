// The style sheet of the page of `vulcap bench --html`, light or dark as the reader's system is.
#pragma once

namespace vulcap::apps {

inline constexpr const char* kPageStyle = R"css(
:root { --paper: #fbfaf7; --card: #ffffff; --ink: #22262b; --soft: #6b7280; --rule: #e3e1da; --good: #17734a; --bad: #b3261e;
  --c0: #2f6fb0; --c1: #e08a2e; --c2: #3f9a6b; --c3: #c2524f; --c4: #8566b3; --c5: #8a6d4f; --c6: #cf77a8; --c7: #708090; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --card: #1e2126; --ink: #e8e6e1; --soft: #9aa1ab; --rule: #34383f; --good: #5cc492; --bad: #f0857d;
    --c0: #6ba6e0; --c1: #f0a95a; --c2: #6cc496; --c3: #e58581; --c4: #ad93d8; --c5: #b99a7a; --c6: #e3a0c6; --c7: #9fb0c0; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 32px 24px 64px; max-width: 980px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 18px; margin: 36px 0 6px; }
p { margin: 4px 0 12px; color: var(--soft); max-width: 70ch; }
section, .card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
section { padding: 14px 18px; overflow-x: auto; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; margin-top: 20px; }
.card { padding: 12px 16px; } .card b { display: block; font-size: 22px; } .card span { color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: middle; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } tr:last-child td { border-bottom: 0; }
th { font-weight: 600; color: var(--soft); font-size: 13px; } td.text { text-align: left; white-space: normal; }
td small { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
td img { display: block; width: 64px; height: 64px; object-fit: cover; border-radius: 6px; }
code { font: 13px "DejaVu Sans Mono", ui-monospace, monospace; overflow-wrap: anywhere; white-space: normal; }
svg { display: block; width: 100%; height: auto; min-width: 560px; } svg text { fill: var(--ink); font-size: 13px; }
svg .tick { fill: var(--soft); font-size: 11.5px; } svg .note { fill: var(--soft); font-size: 12px; }
svg .grid { stroke: var(--rule); } svg .dot { opacity: .45; }
svg .median { stroke: var(--ink); stroke-width: 2.5; } svg .p95 { stroke: var(--ink); stroke-dasharray: 3 2; }
svg .line { fill: none; stroke-width: 2.5; }
.c0 { fill: var(--c0); } .c1 { fill: var(--c1); } .c2 { fill: var(--c2); } .c3 { fill: var(--c3); }
.c4 { fill: var(--c4); } .c5 { fill: var(--c5); } .c6 { fill: var(--c6); } .c7 { fill: var(--c7); }
.s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); } .s2 { stroke: var(--c2); } .s3 { stroke: var(--c3); }
.s4 { stroke: var(--c4); } .s5 { stroke: var(--c5); } .s6 { stroke: var(--c6); } .s7 { stroke: var(--c7); }
)css";

}  // namespace vulcap::apps
