import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SimulateOptions } from '../../src/cli/run-options.ts';
import { simulateCommand } from '../../src/cli/simulate.ts';
import { rightText } from '../config/text.ts';
import { createTerminal } from './terminal.ts';

describe('vipair simulate', () => {
  let directory = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vipair-simulate-'));
    await writeFile(join(directory, 'vipair.yaml'), rightText);
  });
  after(() => rm(directory, { recursive: true }));

  async function simulate(options: Partial<SimulateOptions> = {}) {
    const io = createTerminal();
    const preset = { json: false, faults: ['host-down'], seed: 1, runCount: 3 };
    const common = { config: join(directory, 'vipair.yaml'), runtimeDir: '', stateDir: '' };
    const code = await simulateCommand({ ...common, ...preset, ...options }, io);
    return { code, ...io.written };
  }

  it('says when the addresses move and why, in the names of the configuration', async () => {
    const { code, out, err } = await simulate();
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /^host-down: the host of the active director dies\.\n {2}The addresses move after \d+/);
    assert.match(out, /because nothing was heard from lvs1 on 3 links for .*192\.0\.2\.1 answered/);
    assert.match(out, /Nobody serves for \d+/);
  });

  it('says why nothing moves', async () => {
    const { out } = await simulate({ faults: ['link-down:direct'] });
    assert.match(out, /Nothing moves, because lvs1 is heard on public, private/);
    assert.match(out, /Somebody serves all the time\./);
  });

  it('prints data with --json', async () => {
    const { code, out } = await simulate({ json: true, faults: ['failover', 'partition'] });
    assert.equal(code, 0);
    const report = JSON.parse(out) as { pair: string; faults: { name: string; movedCount: number }[] };
    assert.equal(report.pair, 'edge');
    assert.deepEqual(
      report.faults.map(({ name, movedCount }) => [name, movedCount]),
      [
        ['failover', 3],
        ['partition', 3],
      ],
    );
  });

  it('refuses a fault that the pair cannot have, with 64, and a wrong file with 78', async () => {
    const unknown = await simulate({ faults: ['earthquake'] });
    assert.equal(unknown.code, 64);
    assert.match(unknown.err, /no fault is called earthquake; there are host-down/);
    assert.equal((await simulate({ config: join(directory, 'absent.yaml') })).code, 78);
  });
});
