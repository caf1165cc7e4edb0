/** The `container` elements of a `did`: boxes become top containers of their own, what is inside them is noted where it lies. */
import { checkLength, type Reports } from './describe.ts';
import { type Item, LONGEST, type Placement, present, type Ref } from './records.ts';
import { lineOf } from './text.ts';
import type { Element } from './xml.ts';

/** ArchivesSpace's instance types; a label that is none of them says nothing of the instance. */
const INSTANCE_TYPES: ReadonlySet<string> = new Set([
  'accession',
  'audio',
  'books',
  'computer_disks',
  'graphic_materials',
  'maps',
  'microform',
  'mixed_materials',
  'moving_images',
  'realia',
  'text',
]);

/** The top containers of one file: a box that many components name is one record. */
export class Containers {
  readonly #byKey = new Map<string, Ref>();
  readonly #newUri: () => string;
  readonly #emit: (item: Item) => void;
  readonly #reports: Reports;

  /** `newUri` gives the temporary URI of the next top container; `emit` takes its record. */
  constructor(newUri: () => string, emit: (item: Item) => void, reports: Reports) {
    this.#newUri = newUri;
    this.#emit = emit;
    this.#reports = reports;
  }

  get count(): number {
    return this.#byKey.size;
  }

  /**
   * Where the containers of one `did` place it. As in ArchivesSpace's own importer: a container with a parent, or one
   * without an id that follows another, is inside that one; any other is a placement of its own.
   */
  placementsOf(elements: readonly Element[]): Placement[] {
    const placements: Placement[] = [];
    const byId = new Map<string, Placement>();
    for (const element of elements) {
      const indicator = checkLength(
        lineOf(element.children),
        LONGEST.identifier,
        'the container',
        element.line,
        this.#reports,
      );
      if (indicator === '') {
        this.#reports.skip('container without text');
        continue;
      }
      const { id, parent } = element.attributes;
      const outer =
        parent !== undefined
          ? (byId.get(parent.trim().split(/\s+/)[0] ?? '') ?? placements.at(-1))
          : id === undefined
            ? placements.at(-1)
            : undefined;
      if (outer !== undefined && outer.inner.length === 2) {
        this.#reports.skip('container at a fourth level');
        continue;
      }
      const placement = outer ?? this.#place(element, indicator);
      if (outer === undefined) {
        placements.push(placement);
      } else {
        // ArchivesSpace wants a type where it has an indicator.
        outer.inner.push({ type: typeOf(element) ?? 'unspecified', indicator });
      }
      if (id !== undefined) {
        byId.set(id, placement);
      }
    }
    return placements;
  }

  #place(element: Element, indicator: string): Placement {
    // ArchivesSpace exports the barcode in the label: "Mixed Materials [31142040581202]".
    const [, named, barcode] = /^(.*?)\s*[[(]\s*([^\])]+?)\s*[\])]\s*$/.exec(element.attributes['label'] ?? '') ?? [];
    const label = (named ?? element.attributes['label'] ?? '').trim().toLowerCase().replaceAll(/\s+/g, '_');
    if (label !== '' && !INSTANCE_TYPES.has(label)) {
      this.#reports.skip('container/@label that is no instance type');
    }
    const type = typeOf(element);
    const key = barcode === undefined ? `type ${type}:${indicator}` : `barcode ${barcode}`;
    return {
      instanceType: INSTANCE_TYPES.has(label) ? label : 'mixed_materials',
      top: this.#byKey.get(key) ?? this.#create(key, present({ type, barcode }), indicator),
      inner: [],
    };
  }

  #create(key: string, fields: Readonly<Record<string, unknown>>, indicator: string): Ref {
    const ref = { uri: this.#newUri() };
    this.#byKey.set(key, ref);
    this.#emit({
      kind: 'top_container',
      ref,
      build: () => ({ jsonmodel_type: 'top_container', uri: ref.uri, indicator, ...fields }),
    });
    return ref;
  }
}

function typeOf(element: Element): string | undefined {
  return element.attributes['type']?.trim().toLowerCase().replaceAll(/\s+/g, '_') || undefined;
}
