import { type Status } from '../observe/status.ts';
import { type EventView } from './contract.ts';
import { type Served } from './refusal.ts';

/** The pair at a glance, for a browser: the status as a page, without script, that asks again by itself. */
export function renderPage(status: Served<Status>, events: readonly EventView[]): string {
  const title = status.ok ? `${status.value.pair}: ${status.value.node} is ${status.value.role}` : 'vipair';
  const body = status.ok
    ? renderStatus(status.value)
    : `<p class="bad">${escape(status.refusal.error)}. ${escape(status.refusal.remedy)}.</p>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="2">
<title>${escape(title)}</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .25rem 1rem .25rem 0; white-space: nowrap; }
td.text { white-space: normal; }
.bad { color: light-dark(#b00020, #ff8a80); } .good { color: light-dark(#0a6b2d, #7ddc9a); }
</style>
</head>
<body>
<h1>${escape(title)}</h1>
${body}
<h2>Events</h2>
${table(
  ['When', 'What'],
  [...events].reverse().map(({ at, sentence }) => [cell(at), `<td class="text">${escape(sentence)}</td>`]),
)}
</body>
</html>
`;
}

function renderStatus(status: Status): string {
  const { peer } = status;
  return `<p>Since ${escape(status.since)}, term ${status.term}: ${escape(status.why)}.
${escape(peer.node)} is ${escape(peer.role)}${peer.lastHeardMs === null ? '' : `, heard ${peer.lastHeardMs} ms ago`}.</p>
${status.problems.map((problem) => `<p class="bad">${escape(problem)}</p>`).join('\n')}
<h2>Floating addresses</h2>
${table(
  ['Address', 'Interface', 'Held here'],
  status.floating.map((floating) => [cell(floating.address), cell(floating.interface), mark(floating.held)]),
)}
<h2>Links</h2>
${table(
  ['Link', 'Interface', 'Carrier', 'Hears', 'Is heard', 'Lost', 'Jitter', 'Round trip'],
  status.links.map((link) => [
    cell(link.name),
    cell(link.interface),
    mark(link.carrier),
    mark(link.hears),
    mark(link.heard_by_peer),
    cell(String(link.lost)),
    cell(milliseconds(link.jitterMs)),
    cell(milliseconds(link.roundTripMs)),
  ]),
)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const headRow = head.map((text) => `<th scope="col">${escape(text)}</th>`).join('');
  return `<table><thead><tr>${headRow}</tr></thead><tbody>
${rows.map((cells) => `<tr>${cells.join('')}</tr>`).join('\n')}
</tbody></table>`;
}

function cell(text: string): string {
  return `<td>${escape(text)}</td>`;
}

function mark(isSo: boolean): string {
  return isSo ? '<td class="good">yes</td>' : '<td class="bad">no</td>';
}

function milliseconds(ms: number | null): string {
  return ms === null ? '' : `${ms} ms`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
