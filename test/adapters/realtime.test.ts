import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const moduleUrl = new URL('../../src/adapters/realtime.js', import.meta.url).href;

/** Runs `enterRealtime` in a process of its own; prints the problem, then policy and priority of its threads. */
function enter(environment: Readonly<Record<string, string>>, prefix: readonly string[] = []): string[] {
  const program = `
    import { enterRealtime } from ${JSON.stringify(moduleUrl)};
    import { readdirSync, readFileSync } from 'node:fs';
    import { spawnSync } from 'node:child_process';
    const scheduling = (stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(37, 39).join(' ');
    console.log(enterRealtime(20) ?? 'none');
    for (const thread of readdirSync('/proc/self/task')) {
      console.log(thread === String(process.pid) ? 'main' : 'other', scheduling(readFileSync(\`/proc/self/task/\${thread}/stat\`, 'latin1')));
    }
    console.log('child', scheduling(spawnSync('cat', ['/proc/self/stat'], { encoding: 'latin1' }).stdout));
  `;
  const words = [...prefix, process.execPath, '--input-type=module', '-e', program];
  const run = spawnSync(words[0]!, words.slice(1), {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout.trim().split('\n');
}

function isCapable(): boolean {
  const effective = /CapEff:\s*(\S+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return (BigInt(`0x${effective}`) & (1n << 23n)) !== 0n;
}

for (const path of ['syscalls', 'commands']) {
  describe(`real-time scheduling by ${path}`, function () {
    this.timeout(10_000);

    it('is for the main thread alone', function () {
      if (!isCapable()) {
        console.log('      skipped: CAP_SYS_NICE is missing. Remedy: run the tests as root');
        this.skip();
      }
      const [problem, ...threads] = enter({ VIPAIR_KERNEL: path });
      assert.equal(problem, 'none');
      assert.ok(threads.includes('main 20 1'), threads.join());
      assert.ok(threads.includes('child 0 0'), threads.join());
      assert.ok(threads.includes('other 0 0'), threads.join());
      assert.ok(!threads.includes('other 20 1'), threads.join());
    });

    it('says what is missing, and how to mend it', function () {
      if (process.getuid?.() !== 0) {
        console.log('      skipped: capabilities can be dropped only by root. Remedy: run the tests as root');
        this.skip();
      }
      const drop = ['setpriv', '--bounding-set', '-sys_nice', '--inh-caps', '-sys_nice'];
      const [problem = '', ...threads] = enter({ VIPAIR_KERNEL: path }, drop);
      assert.match(
        problem,
        /^no real-time scheduling: .*not permitted.*Remedy: run as root or with CAP_SYS_NICE/i,
      );
      assert.ok(threads.includes('main 0 0'), threads.join());
    });
  });
}
