/** The colours and steps of the dashboard, in as few rules as a page of text needs. */
export const STYLE = `
:root{color-scheme:light dark;--ground:light-dark(#f6f8f8,#0d1112);--surface:light-dark(#fff,#141a1b);--hover:light-dark(#f0f3f3,#1c2526);--line:light-dark(#e0e5e6,#263032);--text:light-dark(#12181a,#e7eded);--muted:light-dark(#586467,#95a3a6);--accent:light-dark(#0b7a75,#2fb5ae);--on-accent:light-dark(#fff,#06201f);--good:light-dark(#14703a,#4cc38a);--bad:light-dark(#b3261e,#ff8078);--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
*{box-sizing:border-box}
html{background:var(--ground);color:var(--text);font:14px/20px system-ui,sans-serif;scroll-padding-top:72px;text-size-adjust:none}
body{margin:0;display:grid;grid-template:auto 1fr/200px minmax(0,1fr)}
header{grid-column:1/-1;position:sticky;top:0;z-index:1;display:flex;flex-wrap:wrap;gap:8px 24px;align-items:center;padding:10px 24px;background:var(--surface);border-bottom:1px solid var(--line)}
.brand{display:flex;gap:8px;align-items:center;margin:0;font-weight:600;font-size:15px}
.key{display:flex;flex:1;gap:4px 12px;align-items:center;justify-content:flex-end;flex-wrap:wrap}
.key span{color:var(--muted);font-size:12px}
input,textarea{font:12px/18px var(--mono);color:inherit;background:var(--ground);border:1px solid var(--line);border-radius:8px;padding:6px 8px}
input{width:400px;max-width:100%}
textarea{display:block;width:100%;resize:vertical;margin-top:8px}
nav{padding:24px 8px 24px 16px}
nav ul{position:sticky;top:80px;margin:0;padding:0;list-style:none}
nav a{display:block;padding:5px 8px;border-radius:8px;color:var(--muted);text-decoration:none}
nav a:hover{background:var(--hover);color:var(--text)}
main{max-width:920px;padding:24px 24px 96px;outline:0}
h1{font-size:22px;line-height:28px;margin:0 0 4px}
h2{font-size:18px;line-height:24px;margin:40px 0 4px}
h3{font-size:14px;margin:24px 0 4px;display:flex;flex-wrap:wrap;gap:2px 8px;align-items:baseline}
p{margin:0 0 12px;max-width:72ch}
a{color:var(--accent)}
.lead,.muted,.summary{color:var(--muted)}
.summary{font-weight:400}
.method{font:600 11px/18px var(--mono);color:var(--accent)}
code,pre{font:12px/18px var(--mono)}
p code,td code{padding:1px 4px;border-radius:4px;background:var(--hover)}
h3 code{font-weight:600;font-size:13px;overflow-wrap:anywhere}
h3 code+code{font-weight:400;color:var(--muted)}
pre{margin:0;padding:10px 12px;overflow:auto;max-height:420px;background:var(--ground);border:1px solid var(--line);border-radius:8px}
figure{margin:12px 0}
figcaption{color:var(--muted);font-size:12px;margin-bottom:4px}
figure pre{background:var(--surface)}
.code{position:relative}
.code pre{padding-right:72px}
button{font:inherit;font-size:13px;color:inherit;background:var(--surface);border:1px solid var(--line);border-radius:8px;padding:4px 12px;cursor:pointer}
button:hover{background:var(--hover)}
.copy{position:absolute;top:6px;right:6px;font-size:12px;padding:2px 8px}
.send button{background:var(--accent);border-color:var(--accent);color:var(--on-accent);font-weight:600;min-width:72px}
.send button:disabled{opacity:.6;cursor:default}
.send{display:flex;gap:12px;align-items:center;margin-top:8px}
.note{color:var(--muted);font-size:12px}
.try{margin:8px 0;background:var(--surface);border:1px solid var(--line);border-radius:8px}
.try>summary{display:flex;gap:8px;align-items:baseline;padding:8px 12px;cursor:pointer;list-style:none;font-weight:600}
.try>summary::-webkit-details-marker{display:none}
.try>summary::before{content:'';flex:none;align-self:center;width:6px;height:6px;margin:0 4px 0 2px;border:solid var(--muted);border-width:0 1.5px 1.5px 0;transform:rotate(-45deg)}
.try[open]>summary::before{transform:rotate(45deg)}
.try>:not(summary){margin-left:12px;margin-right:12px}
.try>:last-child,.try>.expected{margin-bottom:12px}
.status{margin-left:auto;font:600 12px/18px var(--mono);color:var(--good)}
.status.bad{color:var(--bad)}
.body,.expected{margin-top:8px}
.body>summary,.expected>summary,.heads>summary{width:fit-content;color:var(--muted);font-size:12px;cursor:pointer}
.expected pre{margin-top:8px}
.answer{margin-top:12px}
.also{margin:8px 0;padding-left:20px}
.also li{margin:4px 0}
.answer[hidden]{display:none}
.answer h4{display:flex;gap:8px;margin:0 0 8px;font:600 13px/20px var(--mono)}
.answer h4 span{font-weight:400;color:var(--muted)}
.good{color:var(--good)}
.wrong{color:var(--bad)}
.heads{margin:8px 0}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:2px 16px;margin:8px 0;font:12px/18px var(--mono)}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto;background:var(--surface);border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:13px}
th,td{padding:6px 12px;text-align:left;vertical-align:baseline;border-bottom:1px solid var(--line)}
tr:last-child>*{border-bottom:0}
thead th{color:var(--muted);font-size:12px;font-weight:400}
tbody th{font-weight:400}
.figure{font-variant-numeric:tabular-nums;white-space:nowrap}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.skip{position:absolute;left:-999px;z-index:2;padding:8px;background:var(--surface)}
.skip:focus{left:8px;top:8px}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
@media(max-width:820px){body{display:block}header,main{padding-left:16px;padding-right:16px}header{position:static}.key{flex:0 0 100%;min-width:0;justify-content:flex-start}input{width:100%}.key label,.key span{width:100%;font-size:12px;color:var(--muted)}html{scroll-padding-top:16px}nav{padding:12px 8px 0}nav ul{position:static;display:flex;flex-wrap:wrap}dl{grid-template-columns:minmax(0,1fr)}dd{margin-bottom:6px}}
`
