// An OpenID provider made of oidc-provider as it is, with the pages it brings for trying out: any name and password are right.
// It prints its issuer, reads its one client from a line of standard input, and prints a line when it answers.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';

const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;
console.log(issuer);

const lines = createInterface({ input: process.stdin });
const [line] = await once(lines, 'line');
lines.on('close', () => process.exit(0));

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), kid: 'of-this-run', use: 'sig', alg: 'RS256' };
const provider = new Provider(issuer, {
  clients: [JSON.parse(line)],
  jwks: { keys: [key] },
  cookies: { keys: ['signs the cookies of this run'] },
  pkce: { required: () => true },
});
server.on('request', provider.callback());
console.log('ready');
