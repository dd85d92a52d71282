import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proxyRules } from '../../../../src/image/registry/proxy-rules.ts'

const proxyOf = (env: Record<string, string>, url: string): string | undefined => proxyRules(env)?.(new URL(url))?.shown
const find = (value: string) => proxyRules({ HTTPS_PROXY: value })!(new URL('https://quay.io/'))!

test('the scheme of the target chooses the variable; upper case wins, empty counts as absent', () => {
  const env = { HTTPS_PROXY: 'http://a:1', https_proxy: 'http://b:1', HTTP_PROXY: '', http_proxy: 'http://c' }
  assert.equal(proxyOf(env, 'https://quay.io/v2/'), 'http://a:1')
  assert.equal(proxyOf(env, 'http://quay.io/v2/'), 'http://c')
  assert.equal(proxyOf({ HTTP_PROXY: 'http://a:1' }, 'https://quay.io/'), undefined)
  assert.equal(proxyRules({ NO_PROXY: 'x' }), undefined)
  assert.equal(proxyOf({ HTTP_PROXY: 'http://evil:1', REQUEST_METHOD: 'GET' }, 'http://quay.io/'), undefined)
})

test('a proxy is a URL or HOST:PORT; its login goes into the header and nowhere else', () => {
  assert.deepEqual(find('proxy.corp:3128'), { protocol: 'http:', host: 'proxy.corp', port: 3128, shown: 'http://proxy.corp:3128', variable: 'HTTPS_PROXY' })
  assert.equal(find('https://[fd00::1]').port, 443)
  assert.equal(find('https://[fd00::1]').host, 'fd00::1')
  const withLogin = find('http://me:p%40ss%3Aw%C3%B6rd@proxy.corp')
  assert.equal(Buffer.from(withLogin.authorization!.slice(6), 'base64').toString(), 'me:p@ss:wörd')
  assert.equal(withLogin.shown, 'http://proxy.corp')
  assert.equal(withLogin.port, 80)
  assert.equal(find('me:secret@proxy.corp:8080').shown, 'http://proxy.corp:8080')
})

for (const value of ['socks5://me:secret@proxy:1080', 'http://', 'http://me:1/secret@proxy:80', 'http://me:1#secret@proxy', 'http://me:secret@pro xy', 'http://me:secret%zz@proxy', 'http://me:secret@proxy:99999']) {
  test(`${value} is refused when it would be used, without showing it`, () => {
    const rules = proxyRules({ HTTPS_PROXY: value, NO_PROXY: 'quay.io' })!
    assert.equal(rules(new URL('https://quay.io/')), undefined)
    assert.throws(() => rules(new URL('https://ghcr.io/')), (error: Error & { code?: string; remedy?: string }) => {
      assert.equal(error.code, 'BAD_PROXY')
      assert.match(error.message, /^use the proxy of HTTPS_PROXY: /)
      assert.doesNotMatch(`${error.stack} ${error.remedy}`, /secret/)
      return true
    })
  })
}

// The cases of Go's httpproxy, whose rules podman has.
const direct: [noProxy: string, url: string][] = [
  ['', 'https://localhost:5000/'], ['', 'http://127.0.0.1:5000/'], ['', 'http://127.9.8.7/'], ['', 'http://[::1]:5000/'], ['', 'http://[::ffff:127.0.0.1]/'],
  ['*', 'https://quay.io/'], ['a, *', 'https://quay.io/'],
  ['quay.io', 'https://quay.io/'], ['quay.io', 'https://cdn.quay.io/'], ['QUAY.io', 'https://Quay.IO/'],
  ['.quay.io', 'https://cdn.quay.io/'], ['*.quay.io', 'https://cdn.quay.io/'], [' x , quay.io ', 'https://quay.io/'],
  ['quay.io:443', 'https://quay.io/'], ['quay.io:80', 'http://quay.io/'], ['.corp:5000', 'https://registry.corp:5000/'], ['*.corp:5000', 'https://registry.corp:5000/'],
  ['10.1.2.3', 'https://10.1.2.3:5000/'], ['10.1.2.3:5000', 'https://10.1.2.3:5000/'], ['10.0.0.0/8', 'https://10.1.2.3/'],
  ['fd00::1', 'https://[fd00::1]/'], ['[fd00::1]', 'https://[fd00::1]/'], ['[fd00::1]:5000', 'https://[fd00:0::1]:5000/'], ['fd00::/8', 'https://[fd12::5]/'],
  ['bücher.example', 'https://xn--bcher-kva.example/'],
]
for (const [noProxy, url] of direct) {
  test(`NO_PROXY=${noProxy}: ${url} is reached directly`, () => assert.equal(proxyOf({ HTTP_PROXY: 'p', HTTPS_PROXY: 'p', NO_PROXY: noProxy }, url), undefined))
}

const proxied: [noProxy: string, url: string][] = [
  ['', 'https://quay.io/'], ['', 'https://10.1.2.3/'], ['', 'https://localhost.corp/'],
  ['quay.io', 'https://notquay.io/'], ['.quay.io', 'https://quay.io/'], ['*.quay.io', 'https://quay.io/'], ['quay.io', 'https://quay.io.evil/'],
  ['quay.io:80', 'https://quay.io/'], ['quay.io:5000', 'https://quay.io/'], ['10.1.2.3:80', 'https://10.1.2.3/'],
  ['10.0.0.0/16', 'https://10.1.2.3/'], ['10.0.0.0/33', 'https://10.0.0.0/'], ['10', 'https://10.1.2.3/'], ['fd00::/8', 'https://[fe80::1]/'],
  ['a b', 'https://quay.io/'], [',,:,:80', 'https://quay.io/'], ['io quay', 'https://quay.io/'],
]
for (const [noProxy, url] of proxied) {
  test(`NO_PROXY=${noProxy}: ${url} goes through the proxy`, () => assert.equal(proxyOf({ HTTP_PROXY: 'p', HTTPS_PROXY: 'p', no_proxy: noProxy }, url), 'http://p'))
}
