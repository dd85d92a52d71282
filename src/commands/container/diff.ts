import { arg } from '../../cli/options.ts'
import Diff from '../system/diff.ts'

export default class ContainerDiff extends Diff {
  static override summary = "Inspect changes to the container's file systems"
  static override description = "Displays changes to the container filesystem's.  The container will be compared to its parent layer or the second argument when given."
  static override usage = '[options] CONTAINER [CONTAINER]'
  static override examples = ['tpod container diff myCtr', 'tpod container diff -l --format json']
  static override args = { object: arg('object', 'name or id', { complete: 'containers' }), base: arg('base', 'container to compare with', { complete: 'containers' }) }

  protected override get kind(): 'container' {
    return 'container'
  }
}
