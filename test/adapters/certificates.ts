import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** An authority of a test run, and what it signed, by openssl. */
export interface Authority extends Disposable {
  readonly directory: string;
  readonly caFile: string;
  /** For a.example and 127.0.0.1, ten days yet. */
  readonly good: Certificate;
  /** The same until yesterday. */
  readonly expired: Certificate;
}

export function createAuthority(): Authority {
  const directory = mkdtempSync(join(tmpdir(), 'vp-tls-'));
  const file = (name: string) => join(directory, name);
  const openssl = (...args: readonly string[]) => {
    execFileSync('openssl', args, { stdio: 'pipe' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = 'subjectAltName=DNS:a.example,IP:127.0.0.1';
  const caFile = file('ca.pem');
  const signed = ['-CA', caFile, '-CAkey', file('ca.key')];
  openssl(
    ...['req', '-x509', ...newKey, '-keyout', file('ca.key'), '-out', caFile],
    ...['-days', '30', '-subj', '/CN=Authority of a test'],
  );
  openssl(
    ...['req', '-x509', ...signed, ...newKey, '-keyout', file('good.key'), '-out', file('good.pem')],
    ...['-days', '10', '-subj', '/CN=a.example', '-addext', names],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
  );
  const request = file('request.pem');
  openssl(
    ...['req', '-new', '-key', file('good.key'), '-subj', '/CN=a.example', '-addext', names],
    ...['-out', request],
  );
  openssl(
    ...['x509', '-req', '-in', request, ...signed, '-copy_extensions', 'copy'],
    ...['-days', '-1', '-out', file('expired.pem')],
  );
  const read = (name: string) => readFileSync(file(name), 'utf8');
  return {
    directory,
    caFile,
    good: { key: read('good.key'), cert: read('good.pem') },
    expired: { key: read('good.key'), cert: read('expired.pem') },
    [Symbol.dispose]() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
