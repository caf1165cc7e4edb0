/**
 * EAD 2002 → records of ArchivesSpace, as a stream: an item is given as soon as its own part of the file has been
 * read, the resource before its components, a component before those inside it, a top container before who lies in it.
 * Held in memory are the open components, one element below them, and the top containers.
 */
import { Containers } from './containers.ts';
import { type Description, describe, emptyDescription, type Reports } from './describe.ts';
import { componentFields, resourceFields } from './fields.ts';
import { type Header, headerOf, NO_HEADER } from './header.ts';
import { notesOf } from './notes.ts';
import { type Item, instanceOf, type Note, type Placement, present, type Ref } from './records.ts';
import { elementsOf } from './text.ts';
import { type Element, parseXml, XmlError } from './xml.ts';

const NAMESPACES: ReadonlySet<string> = new Set(['', 'urn:isbn:1-931666-22-9']);
const COMPONENT = /^c(0[1-9]|1[0-2])?$/;
/** Elements that hold components without being one. */
const TRANSPARENT: ReadonlySet<string> = new Set(['dsc', 'archdescgrp', 'dscgrp']);
/** Problems beyond these are only counted: a file that is wrong everywhere must not fill the memory. */
const MOST_PROBLEMS = 50;

/** What a first reading of a file finds out, for the second. */
export interface Findings {
  readonly eadId: string;
  readonly components: number;
  readonly topContainers: number;
  /** Why the file cannot be imported, each with its line. Empty: it can. */
  readonly problems: readonly string[];
  readonly problemCount: number;
  /** How often each element was met that does not become part of a record, by its name. */
  readonly skipped: ReadonlyMap<string, number>;
  /** Things that were filled in because ArchivesSpace requires them. */
  readonly remarks: readonly string[];
  /** Notes that stand behind the components of the record they belong to, by its temporary URI. */
  readonly lateNotes: ReadonlyMap<string, readonly Note[]>;
}

export interface ConversionOptions {
  /** URI of the repository, such as `/repositories/2`. */
  readonly repository: string;
  /** Makes temporary URIs unique: hex digits and `-`. The same prefix and file give the same URIs. */
  readonly uriPrefix: string;
  /** From a first reading of the same file. */
  readonly lateNotes?: ReadonlyMap<string, readonly Note[]>;
}

/** A resource or component while it is open. */
interface Open {
  readonly element: Element;
  readonly kind: 'resource' | 'archival_object';
  readonly ref: Ref;
  readonly parent: Open | undefined;
  readonly position: number;
  readonly description: Description;
  readonly placements: Placement[];
  hasDid: boolean;
  children: number;
  isGiven: boolean;
}

/** One reading of one file. */
export class EadConversion {
  readonly #options: ConversionOptions;
  readonly #items: Item[] = [];
  readonly #path: ('outside' | 'transparent' | Open)[] = [];
  /** The element below a record that is being read whole, outermost first. */
  readonly #captured: Element[] = [];
  readonly #containers: Containers;
  readonly #problems: string[] = [];
  readonly #skipped = new Map<string, number>();
  readonly #remarks: string[] = [];
  readonly #lateNotes = new Map<string, Note[]>();
  readonly #reports: Reports;
  #header: Header = NO_HEADER;
  #isInternal = false;
  #resource: Open | undefined;
  #records = 0;
  #components = 0;
  #problemCount = 0;

  constructor(options: ConversionOptions) {
    this.#options = options;
    this.#reports = {
      problem: (line, message) => {
        this.#problemCount += 1;
        if (this.#problems.length < MOST_PROBLEMS) {
          this.#problems.push(`line ${line}: ${message}`);
        }
      },
      remark: (text) => this.#remarks.push(text),
      skip: (name) => this.#skipped.set(name, (this.#skipped.get(name) ?? 0) + 1),
    };
    this.#containers = new Containers(
      () => this.#newUri('top_containers'),
      (item) => this.#items.push(item),
      this.#reports,
    );
  }

  /** What was found in what has been read so far. */
  get findings(): Findings {
    return {
      eadId: this.#header.eadId,
      components: this.#components,
      topContainers: this.#containers.count,
      problems: this.#problems,
      problemCount: this.#problemCount,
      skipped: this.#skipped,
      remarks: this.#remarks,
      lateNotes: this.#lateNotes,
    };
  }

  /**
   * Reads the file once and gives its records. Problems are collected in `findings` and do not end it, so that one
   * reading tells them all; the records are good only when there are none. Throws an `XmlError` when the file cannot
   * be read as XML, or is not EAD 2002.
   */
  async *read(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Item> {
    const listener = {
      open: (element: Element, namespace: string) => this.#openElement(element, namespace),
      text: (text: string) => this.#addText(text),
      close: () => this.#closeElement(),
    };
    for await (const _ of parseXml(bytes, listener)) {
      yield* this.#items.splice(0);
    }
    if (this.#resource === undefined) {
      this.#reports.problem(1, 'there is no archdesc, so nothing is described');
    }
  }

  #openElement(element: Element, namespace: string): void {
    if (this.#path.length === 0) {
      this.#openRoot(element, namespace);
      return;
    }
    const outer = this.#captured.at(-1);
    if (outer !== undefined) {
      if (COMPONENT.test(element.name)) {
        this.#reports.problem(
          element.line,
          `a component (${element.name}) stands inside ${outer.name}, where none can be`,
        );
      }
      outer.children.push(element);
      this.#captured.push(element);
    } else if (COMPONENT.test(element.name) && this.#current() !== undefined) {
      this.#openRecord(element, 'archival_object');
    } else if (element.name === 'archdesc' && this.#path.at(-1) === 'outside') {
      if (this.#resource !== undefined) {
        this.#reports.problem(element.line, 'there is a second archdesc; a file describes one collection');
      }
      this.#resource = this.#openRecord(element, 'resource');
    } else if (TRANSPARENT.has(element.name)) {
      this.#path.push('transparent');
    } else {
      if (COMPONENT.test(element.name)) {
        this.#reports.problem(element.line, `a component (${element.name}) stands outside archdesc`);
      }
      this.#captured.push(element);
    }
  }

  #openRoot(element: Element, namespace: string): void {
    if (element.name !== 'ead') {
      throw new XmlError(element.line, 1, `this is not EAD: the root element is ${element.name}`);
    }
    if (!NAMESPACES.has(namespace)) {
      throw new XmlError(element.line, 1, `this is not EAD 2002: its namespace is ${namespace}`);
    }
    this.#isInternal = element.attributes['audience'] === 'internal';
    this.#path.push('outside');
  }

  #openRecord(element: Element, kind: Open['kind']): Open {
    const parent = kind === 'resource' ? undefined : this.#current();
    if (parent !== undefined) {
      this.#give(parent);
    }
    const record: Open = {
      element,
      kind,
      ref: { uri: this.#newUri(kind === 'resource' ? 'resources' : 'archival_objects') },
      parent,
      position: parent?.children ?? 0,
      description: emptyDescription(),
      placements: [],
      hasDid: false,
      children: 0,
      isGiven: false,
    };
    if (parent !== undefined) {
      parent.children += 1;
      this.#components += 1;
    }
    this.#path.push(record);
    return record;
  }

  #addText(text: string): void {
    this.#captured.at(-1)?.children.push(text);
    if (this.#captured.length === 0 && text.trim() !== '') {
      this.#reports.skip('text outside any element that describes');
    }
  }

  #closeElement(): void {
    const captured = this.#captured.pop();
    if (captured !== undefined) {
      if (this.#captured.length === 0) {
        this.#takeElement(captured);
      }
      return;
    }
    const closed = this.#path.pop();
    if (closed !== undefined && typeof closed !== 'string') {
      this.#give(closed);
    }
  }

  /** An element that stands directly in the root, in a record, or in what holds components. */
  #takeElement(element: Element): void {
    const record = this.#current();
    if (record === undefined) {
      if (element.name === 'eadheader') {
        this.#header = headerOf(element, this.#reports);
      } else {
        this.#reports.skip(element.name);
      }
      return;
    }
    if (this.#path.at(-1) === 'transparent') {
      this.#reports.skip(`${element.name} in dsc`);
    } else if (element.name === 'did') {
      this.#takeDid(element, record);
    } else {
      const notes = notesOf(element, this.#reports.skip);
      if (notes === undefined) {
        this.#reports.skip(element.name);
      } else if (record.isGiven) {
        this.#lateNotes.set(record.ref.uri, [...(this.#lateNotes.get(record.ref.uri) ?? []), ...notes]);
      } else {
        record.description.notes.push(...notes);
      }
    }
  }

  #takeDid(did: Element, record: Open): void {
    if (record.hasDid || record.isGiven) {
      this.#reports.problem(
        did.line,
        record.hasDid
          ? 'a second did in the same component'
          : 'the did stands behind the components inside it; it must come first',
      );
      return;
    }
    record.hasDid = true;
    const elements = elementsOf(did);
    for (const element of elements) {
      if (element.name !== 'container' && !describe(element, record.description, this.#reports)) {
        this.#reports.skip(element.name);
      }
    }
    record.placements.push(
      ...this.#containers.placementsOf(elements.filter((element) => element.name === 'container')),
    );
  }

  /** Gives the record to the reader, once: before the first component inside it, or at its own end. */
  #give(record: Open): void {
    if (record.isGiven) {
      return;
    }
    record.isGiven = true;
    const { kind, ref, description } = record;
    const notes = [...description.notes, ...(this.#options.lateNotes?.get(ref.uri) ?? [])];
    const fields = {
      jsonmodel_type: kind,
      publish: record.element.attributes['audience'] !== 'internal' && !(kind === 'resource' && this.#isInternal),
      ...(kind === 'resource'
        ? resourceFields(record.element, description, this.#header, this.#reports)
        : { position: record.position, ...componentFields(record.element, description, this.#reports) }),
      ...present({ notes }),
    };
    const { parent } = record;
    const resource = this.#resource;
    this.#items.push({
      kind,
      ref,
      build: () => ({
        ...fields,
        uri: ref.uri,
        ...(record.placements.length === 0 ? {} : { instances: record.placements.map(instanceOf) }),
        ...(parent === undefined || resource === undefined ? {} : { resource: { ref: resource.ref.uri } }),
        ...(parent?.kind === 'archival_object' ? { parent: { ref: parent.ref.uri } } : {}),
      }),
    });
  }

  /** The innermost open record. */
  #current(): Open | undefined {
    return this.#path.findLast((each) => typeof each !== 'string');
  }

  /** The form that JSONModel takes for a record that is not saved yet. */
  #newUri(type: string): string {
    this.#records += 1;
    return `${this.#options.repository}/${type}/import_${this.#options.uriPrefix}-${this.#records.toString(16)}`;
  }
}
