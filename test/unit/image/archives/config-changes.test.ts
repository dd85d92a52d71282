import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyConfigChanges } from '../../../../src/image/archives/config-changes.ts'

test('each instruction, as podman reads it', () => {
  const config = applyConfigChanges(['CMD ls -l', 'entrypoint ["a","b"]', 'ENV A="x y"', 'ENV=B', 'ENV A=z', 'EXPOSE 80', 'EXPOSE 53/UDP', 'LABEL "k"="v=w"', 'ONBUILD RUN x', 'STOPSIGNAL term', 'USER u:g', 'VOLUME ["/a"]', 'VOLUME /b /c', 'WORKDIR /x', 'WORKDIR y/../z'])
  assert.deepEqual(config, {
    Cmd: ['/bin/sh', '-c', 'ls -l'], Entrypoint: ['a', 'b'], Env: ['B=', 'A=z'], ExposedPorts: { '80/tcp': {}, '53/udp': {} }, Labels: { k: 'v=w' },
    OnBuild: ['RUN x'], StopSignal: '15', User: 'u:g', Volumes: { '/a': {}, '/b': {}, '/c': {} }, WorkingDir: '/x/z',
  })
})

test('the base is kept and not changed', () => {
  const base = { Env: ['A=1'], Cmd: ['x'] }
  assert.deepEqual(applyConfigChanges(['ENV B=2'], base), { Env: ['A=1', 'B=2'], Cmd: ['x'] })
  assert.deepEqual(base, { Env: ['A=1'], Cmd: ['x'] })
})

test('what is malformed is refused', () => {
  for (const change of ['', 'CMD', 'FROM x', 'EXPOSE x', 'EXPOSE 0', 'EXPOSE 1/2/3', 'EXPOSE 1/sctp', 'LABEL a', 'LABEL =b', 'USER ', 'VOLUME ', 'VOLUME []', 'WORKDIR ', 'STOPSIGNAL nope', 'ONBUILD ', 'ENV ', '__proto__ x', 'constructor x']) {
    assert.throws(() => applyConfigChanges([change]), { code: 'BAD_CHANGE' }, change)
  }
})
