/**
 * `npm run demo`: two real `vipair run` in network namespaces, and what a client and a real server notice
 * when the addresses are moved and when the active one is cut off, killed and frozen.
 *
 * Exit code 0 only if every act went as promised; 1 if not, 77 where namespaces are not allowed.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nowMs } from '../lab/eventually.ts';
import { openEye } from '../lab/eye.ts';
import {
  keepLab,
  labNamed,
  openLab,
  privateFloating,
  publicFloating,
  routers,
  type Lab,
} from '../lab/lab.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';
import { installSwitchFaults } from '../lab/switch.ts';
import { commonArguments, configurePair, heldBy, mainFile, startVipair, untilAgreed } from '../lab/vipair.ts';
import { acts, show, type Act, type Outcome, type Play } from './acts.ts';
import { openStage, type Stage } from './stage.ts';

const KEPT_NAME = 'vpdemo';
const KEPT_DIRECTORY = '/tmp/vipair-demo';
const ASK_PERIOD_MS = 5;

const USAGE = `npm run demo [-- [--gate MODE] [--keep] | --clean]

  --keep    leave the pair running at the end, and say how to look at it
  --clean   remove what --keep has left
  --gate    how the kernel takes the addresses from a daemon that is gone:
            nftables (default), address (their lifetime only), off
`;

process.exitCode = await main();

async function main(): Promise<number> {
  const asked = parseArgs({
    options: {
      keep: { type: 'boolean', default: false },
      clean: { type: 'boolean', default: false },
      gate: { type: 'string', default: 'nftables' },
      help: { type: 'boolean', default: false },
    },
  }).values;
  const stage = openStage(process.stdout);
  if (asked.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const reason = whyNoNamespaces();
  if (reason !== undefined) {
    process.stderr.write(`demo: ${reason}\n`);
    return 77;
  }
  if (asked.clean) {
    labNamed(KEPT_NAME, KEPT_DIRECTORY).remove();
    stage.line('The demo that was kept is removed.');
    return 0;
  }
  if (asked.keep && existsSync(`/run/netns/${KEPT_NAME}-lvs1`)) {
    process.stderr.write('demo: one is kept already. Remedy: npm run demo -- --clean\n');
    return 1;
  }
  if (asked.keep) {
    mkdirSync(KEPT_DIRECTORY, { recursive: true });
  }
  const lab = openLab(asked.keep ? { name: KEPT_NAME, directory: KEPT_DIRECTORY } : {});
  try {
    const code = await perform(stage, lab, { gate: asked.gate, isKept: asked.keep });
    if (asked.keep) {
      keepLab(lab);
      explainKept(stage, lab);
      // Its daemons are this process's children: nothing else would let it end.
      process.exit(code);
    }
    return code;
  } finally {
    if (!asked.keep) {
      lab.remove();
      stage.line(stage.paint.dim('Everything is removed: namespaces, processes, files.'));
    }
  }
}

async function perform(
  stage: Stage,
  lab: Lab,
  { gate, isKept }: { gate: string; isKept: boolean },
): Promise<number> {
  const { paint } = stage;
  installSwitchFaults(lab);
  stage.line(paint.bold('vipair demo') + ': two routers, two floating addresses, one owner at a time');
  stage.line();
  stage.line(
    `                      ${paint.green(publicFloating.padEnd(14))}${paint.green(privateFloating)}`,
  );
  stage.line('                           ┌── lvs1 ──┐');
  stage.line('  client ── public switch ─┤    ║     ├─ private switch ── real server');
  stage.line('                           └── lvs2 ──┘');
  stage.line();
  stage.line(paint.dim('  Client and real server each ping their floating address every millisecond.'));
  stage.line(paint.dim(`  A third host asks by ARP who owns them, every ${ASK_PERIOD_MS} ms.`));
  stage.line();
  const startedAtMs = nowMs();
  const going = stage.progress('starting two `vipair run`');
  await using eye = await openEye(lab, { askPeriodMs: ASK_PERIOD_MS });
  configurePair(lab, { extra: `gate: ${gate}\n` });
  const play: Play = {
    lab,
    eye,
    daemons: { lvs1: startVipair(lab, 'lvs1'), lvs2: startVipair(lab, 'lvs2') },
    askPeriodMs: ASK_PERIOD_MS,
  };
  const statuses = await untilAgreed(lab, 15_000).catch((error: unknown) => {
    going.done();
    for (const router of routers) {
      stage.line(`--- log of ${router}\n${play.daemons[router].log().slice(-3000)}`);
    }
    throw error;
  });
  going.done();
  const active = statuses.lvs1.role === 'active' ? 'lvs1' : 'lvs2';
  const { lease, timers } = statuses[active];
  stage.line(
    `${paint.green('✓')} ${paint.bold('started')}: ${active} holds both addresses after ${show(nowMs() - startedAtMs)}`,
  );
  stage.line(
    paint.dim(
      `    heartbeat ${timers.intervalMs} ms, dead after ${timers.deadMs} ms, lease ${lease.mode} ${timers.leaseMs} ms`,
    ),
  );
  stage.line();
  const played: { readonly act: Act; readonly outcome: Outcome }[] = [];
  for (const [at, act] of acts.entries()) {
    const progress = stage.progress(`${at + 1}/${acts.length} ${act.going}`);
    const outcome = await act.play(play).finally(() => {
      progress.done();
    });
    played.push({ act, outcome });
    tell(stage, `${at + 1}/${acts.length}`, act, outcome);
  }
  const problem = isKept ? undefined : await end(stage, play);
  const isAllKept = summarize(stage, played);
  if (problem !== undefined) {
    stage.line(paint.red(problem));
  }
  return isAllKept && problem === undefined ? 0 : 1;
}

function tell({ line, paint }: Stage, number: string, act: Act, outcome: Outcome): void {
  const isKept = outcome.broken.length === 0 && outcome.disagreements.length === 0;
  line(`${isKept ? paint.green('✓') : paint.red('✗')} ${paint.bold(`${number} ${act.title}`)}`);
  const apart =
    outcome.announcedApartMs === undefined
      ? ''
      : `, announced ${outcome.announcedApartMs.toFixed(2)} ms apart`;
  const field = (name: string, text: string) => {
    wrap(text, 64).forEach((part, at) => {
      line(`    ${paint.dim((at === 0 ? name : '').padEnd(12))}${part}`);
    });
  };
  field('holder', `${outcome.from} → ${outcome.to ?? 'nobody'}${apart}`);
  field('client', silence(outcome.client));
  field('real server', silence(outcome.realServer));
  field('two owners', twoOwners(outcome.bothAnsweredMs));
  field(
    'status',
    outcome.disagreements.length === 0
      ? 'agrees with `ip addr` on every router that runs'
      : paint.red(outcome.disagreements.join('; ')),
  );
  outcome.remarks.forEach((remark) => {
    field('', remark);
  });
  field('promise', outcome.promise);
  outcome.broken.forEach((reason) => {
    field('', paint.red(`broken: ${reason}`));
  });
  line();
}

/** The questions are so far apart: what is shorter cannot be told more exactly. */
function twoOwners(ms: number): string {
  return ms === 0 ? 'never' : ms <= ASK_PERIOD_MS ? `under ${ASK_PERIOD_MS} ms` : show(ms);
}

function silence({ silenceMs, lostCount, lateCount, sentCount }: Outcome['client']): string {
  const late = lateCount === 0 ? '' : `, ${lateCount} late`;
  return `longest without an answer ${show(silenceMs)} (${lostCount} of ${sentCount} probes lost${late})`;
}

/** SIGTERM to both at once. Both must end and hold nothing; what is not so is returned. */
async function end(stage: Stage, { lab, daemons }: Play): Promise<string | undefined> {
  const progress = stage.progress('stopping both');
  try {
    const endings = await Promise.all(routers.map((router) => daemons[router].stop()));
    const isHeld = routers.some((router) => heldBy(lab, router).some(Boolean));
    if (isHeld || endings.some(({ code }) => code !== 0)) {
      return `After SIGTERM: ${JSON.stringify(endings)}${isHeld ? ', and an address was left behind' : ''}.`;
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    progress.done();
  }
}

function summarize({ line, paint }: Stage, played: readonly { act: Act; outcome: Outcome }[]): boolean {
  line(paint.bold(row(['what happened', 'holder', 'client', 'real server', 'two owners', 'kept'])));
  let isAllKept = true;
  for (const { act, outcome } of played) {
    const isKept = outcome.broken.length === 0 && outcome.disagreements.length === 0;
    isAllKept &&= isKept;
    const text = row([
      act.name,
      `${outcome.from} → ${outcome.to ?? '?'}`,
      show(outcome.client.silenceMs),
      show(outcome.realServer.silenceMs),
      twoOwners(outcome.bothAnsweredMs),
      isKept ? 'yes' : 'NO',
    ]);
    line(isKept ? text : paint.red(text));
  }
  line();
  line(isAllKept ? paint.green('Every promise was kept.') : paint.red('Not every promise was kept.'));
  return isAllKept;
}

function row(cells: readonly string[]): string {
  const widths = [18, 14, 10, 13, 12, 6];
  return `  ${cells.map((cell, at) => (at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('')}`;
}

function explainKept({ line, paint }: Stage, lab: Lab): void {
  line();
  line(paint.bold('The pair goes on.') + ' Look at it with:');
  for (const router of routers) {
    const script = join(lab.directory, router);
    const argv = commonArguments(lab, router).join(' ');
    writeFileSync(
      script,
      `#!/bin/sh\nexec ip netns exec ${lab.hosts[router]} ${process.execPath} ${mainFile} "$@" ${argv}\n`,
      { mode: 0o755 },
    );
  }
  line(`  ${lab.directory}/lvs1 status`);
  line(`  ${lab.directory}/lvs1 failover`);
  line(`  ${lab.directory}/lvs2 why`);
  line(`  ip netns exec ${lab.hosts.client} ping ${publicFloating}`);
  line('Remove it with:');
  line('  npm run demo -- --clean');
}

/** At words; a word that is longer than a line stays whole. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + 1 + word.length > width) {
      lines.push(word);
    } else {
      lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
    }
  }
  return lines;
}
