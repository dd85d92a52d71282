/** How `image tree` draws: podman's header and branches. */
import type { ImageLayerTree, LayerNode } from '../image/local/layer-tree.ts'
import { formatSize } from '../text/units.ts'

/** Several lines, with the empty one that ends podman's. */
export function formatImageTree({ image, sizeBytes, layers }: ImageLayerTree): string {
  const names = (image.names ?? []).filter((name) => !name.includes('@'))
  const lines = [`Image ID: ${image.id.slice(0, 12)}`, `Tags:     [${names.join(' ')}]`, `Size:     ${formatSize(sizeBytes, 4)}`, layers.length === 0 ? 'No Image Layers' : 'Image Layers']
  drawBranches(layers.flatMap(linear), '', lines)
  return `${lines.join('\n')}\n\n`
}

/** A layer without siblings stands in one column with the one that it is built on. */
interface Branch { text: string; below: Branch[] }

function linear(node: LayerNode): Branch[] {
  const line: Branch[] = [{ text: describe(node), below: [] }]
  let at = node
  while (at.children.length === 1) line.push({ text: describe((at = at.children[0]!)), below: [] })
  const siblings = at.children.map((child) => {
    const [first, ...rest] = linear(child)
    return { text: first!.text, below: [...first!.below, ...rest] }
  })
  return [...line, ...siblings]
}

function drawBranches(branches: readonly Branch[], indent: string, lines: string[]): void {
  for (const [index, { text, below }] of branches.entries()) {
    const isLast = index === branches.length - 1
    lines.push(`${indent}${isLast ? '└── ' : '├── '}${text}`)
    drawBranches(below, `${indent}${isLast ? '    ' : '│   '}`, lines)
  }
}

function describe({ id, sizeBytes, topLayerOf }: LayerNode): string {
  return `ID: ${id.slice(0, 12)} Size: ${formatSize(sizeBytes, 4).padStart(7)}${topLayerOf.length === 0 ? '' : ` Top Layer of: [${topLayerOf.join(' ')}]`}`
}
