"""The look of the page: light, dark and on paper; fonts and colours are the reader's machine's own."""

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--card:#fff;--wash:#f5f7fa;--ink:#18212f;--soft:#5a6678;
--line:#e2e7ee;--s0:#1f5fd0;--s1:#d9730d;--s2:#0c8a6c;--s3:#8b4fc6;--s4:#b5305f;--s5:#64748b;
--good:#0c7a5b;--fair:#3f5f8f;--poor:#a86308;--bad:#b42318;--tint:#e9f0fd}
@media (prefers-color-scheme:dark){:root{--paper:#0f141b;--card:#161d27;--wash:#1b2430;--ink:#e7ecf3;
--soft:#9aa7b8;--line:#2a3543;--s0:#7aa9ff;--s1:#f3a24f;--s2:#4fc9a5;--s3:#c39df2;--s4:#f27ea2;--s5:#93a1b5;
--good:#4fc9a5;--fair:#8fb3ea;--poor:#f0b35b;--bad:#f78a80;--tint:#1c2b45}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue","DejaVu Sans",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1060px;margin:0 auto;padding:36px 24px 64px}
h1{font-size:26px;line-height:1.25;margin:2px 0 0;letter-spacing:-.01em;font-weight:650}
h2{font-size:19px;margin:44px 0 4px;letter-spacing:-.005em;font-weight:650}
h3{font-size:14px;margin:0;font-weight:650}
p{margin:6px 0}.lead{color:var(--soft);margin:0 0 14px;max-width:74ch}
.over{color:var(--soft);font-size:13px;margin:0}
header{display:grid;grid-template-columns:auto 1fr;gap:28px;align-items:start}
.grade{width:124px;border-radius:18px;padding:14px 0 12px;text-align:center;border:1.5px solid currentColor;
background:color-mix(in srgb,currentColor 9%,transparent)}
.grade b{display:block;font-size:68px;line-height:1;font-weight:700}
.grade span{font-size:12.5px;color:var(--soft)}
.A,.B{color:var(--good)}.C{color:var(--fair)}.D{color:var(--poor)}.E,.F{color:var(--bad)}
.said{margin:14px 0 0;padding:0;list-style:none;font-size:16.5px;line-height:1.5;max-width:72ch}
.said li{margin:0 0 8px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:12px;margin:28px 0 0}
.tile{background:var(--wash);border-radius:12px;padding:14px 16px}
.tile p{margin:0;font-size:13px;color:var(--soft)}.tile b{display:block;font-size:22px;
white-space:nowrap;line-height:1.3;
font-weight:650;letter-spacing:-.01em}
.grid2{display:grid;grid-template-columns:repeat(auto-fill,minmax(330px,1fr));gap:14px}
figure{margin:0;border:1px solid var(--line);border-radius:12px;padding:14px 14px 8px;background:var(--card);
break-inside:avoid}
figcaption p{font-size:13px;color:var(--soft);margin:2px 0 8px;min-height:2.9em}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-size:11px;fill:var(--soft);font-variant-numeric:tabular-nums}svg text.label{font-size:11.5px}
.grid{stroke:var(--line);stroke-width:1;fill:none}.axis{stroke:var(--soft);stroke-width:1}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round}.line.s0{stroke-width:2.6}.faint{stroke-width:1.3!important;
stroke-dasharray:none;opacity:.55}
.ideal{fill:none;stroke:var(--soft);stroke-width:1.1;stroke-dasharray:1.5 4;stroke-linecap:round}
.perfect{fill:none;stroke:var(--soft);stroke-width:1.1;stroke-dasharray:6 4;opacity:.75}
.advised{stroke:var(--s2);stroke-width:1.4}
.whisker{fill:none;stroke-width:1.5;opacity:.7}.ink{stroke:var(--ink);opacity:.85}
.dot{stroke:var(--card);stroke-width:1.2}
.count{fill:var(--soft);opacity:.2}.expected{fill:var(--s0);opacity:.3}.realised{fill:var(--s0)}
.line.s0,.whisker.s0{stroke:var(--s0)}.line.s1{stroke:var(--s1)}.line.s2{stroke:var(--s2)}
.line.s3{stroke:var(--s3)}.line.s4{stroke:var(--s4)}.line.s5{stroke:var(--s5)}.dot.s0{fill:var(--s0)}
.dot.off{fill:var(--bad)}.whisker.off{stroke:var(--bad)}.mark{width:180px;min-width:130px}
.gap{height:14px}
.legend{display:flex;flex-wrap:wrap;gap:6px 18px;margin:6px 0 14px;font-size:13px;color:var(--soft)}
.legend i{display:inline-block;width:18px;height:0;border-top:3px solid;vertical-align:middle;
margin-right:7px;border-radius:2px}
.k0{border-color:var(--s0)!important}.k1{border-color:var(--s1)!important}.k2{border-color:var(--s2)!important}
.k3{border-color:var(--s3)!important}.k4{border-color:var(--s4)!important}.k5{border-color:var(--s5)!important}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:12px;background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{padding:8px 12px;text-align:right;border-top:1px solid var(--line);vertical-align:middle}
thead th{border-top:0;font-weight:600;color:var(--soft);font-size:12.5px;vertical-align:bottom}
th:first-child,td:first-child{text-align:left}tbody th{font-weight:500}td.t,th.t{text-align:left}
td small,th small{display:block;color:var(--soft);font-size:11.5px;font-weight:400;white-space:nowrap}
td.own{background:var(--tint)}td.own b{font-weight:650}
.better{color:var(--good)}.worse{color:var(--bad)}.off{color:var(--bad)}.even{color:var(--soft)}
td span{white-space:nowrap}
ul.plain{padding-left:20px;margin:6px 0;max-width:80ch}ul.plain li{margin:5px 0}
.warn{border-left:4px solid var(--bad);background:var(--wash);padding:10px 16px;border-radius:0 10px 10px 0;
margin:22px 0 0}
dl{display:grid;grid-template-columns:minmax(130px,auto) 1fr;gap:6px 22px;font-size:13.5px;margin:8px 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
footer{margin-top:48px;padding-top:14px;border-top:1px solid var(--line);color:var(--soft);font-size:12.5px}
@media (max-width:620px){header{grid-template-columns:1fr;gap:16px}.grade{width:100px}.grade b{font-size:52px}
main{padding:22px 16px 48px}dl{grid-template-columns:1fr;gap:0 0}dd{margin-bottom:8px}}
@media print{:root{--paper:#fff;--card:#fff;--wash:#f4f6f8;--ink:#000;--soft:#48525f;--line:#d5dbe2;
--s0:#1f5fd0;--s1:#b85c00;--s2:#0c7a5b;--s3:#7a3fb5;--s4:#a0244f;--s5:#555;--tint:#eef3fc;--good:#0c7a5b;--fair:#3f5f8f;
--poor:#a86308;--bad:#b42318}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
body{font-size:11px}main{max-width:none;padding:0}h2{margin-top:22px;break-after:avoid}
.grid2{grid-template-columns:1fr 1fr}.scroll{overflow:visible}tr,.tile,figure{break-inside:avoid}
table{font-size:10px}th,td{padding:4px 6px}.said{font-size:13px}@page{margin:14mm}}
"""
