/**
 * The records of ArchivesSpace that an import makes, as far as it fills them in. Names and rules are those of its
 * JSONModel schemas (common/schemas/*.rb and common/validations.rb in archivesspace/archivesspace).
 */
export interface DateRecord {
  readonly jsonmodel_type: 'date';
  readonly date_type: string;
  readonly label: 'creation';
  readonly expression?: string;
  readonly begin?: string;
  readonly end?: string;
  readonly certainty?: string;
  readonly era?: string;
  readonly calendar?: string;
}

export interface Extent {
  readonly jsonmodel_type: 'extent';
  readonly portion: 'whole' | 'part';
  readonly number: string;
  readonly extent_type: string;
  readonly container_summary?: string;
  readonly physical_details?: string;
  readonly dimensions?: string;
}

export interface LangMaterial {
  readonly jsonmodel_type: 'lang_material';
  readonly language_and_script?: {
    readonly jsonmodel_type: 'language_and_script';
    readonly language: string;
    readonly script?: string;
  };
  readonly notes?: readonly Note[];
}

interface NoteCommon {
  readonly label?: string;
  readonly persistent_id?: string;
  readonly publish: boolean;
}

export interface MultipartNote extends NoteCommon {
  readonly jsonmodel_type: 'note_multipart';
  readonly type: string;
  readonly subnotes: readonly {
    readonly jsonmodel_type: 'note_text';
    readonly content: string;
    readonly publish: boolean;
  }[];
}

export interface SinglepartNote extends NoteCommon {
  readonly jsonmodel_type: 'note_singlepart' | 'note_langmaterial';
  readonly type: string;
  readonly content: readonly string[];
}

export interface BibliographyNote extends NoteCommon {
  readonly jsonmodel_type: 'note_bibliography';
  readonly content: readonly string[];
  readonly items: readonly string[];
}

export type Note = MultipartNote | SinglepartNote | BibliographyNote;

/** A container that stands at the top (a box), with what is inside it (a folder, an item). */
export interface Placement {
  readonly instanceType: string;
  readonly top: Ref;
  readonly inner: { readonly type: string; readonly indicator: string }[];
}

export interface ExternalId {
  readonly external_id: string;
  readonly source: string;
}

/** The URI of a record: a temporary one of the file's own until the record is saved, then the real one. */
export interface Ref {
  uri: string;
}

/** A record as it is sent. */
export type JsonRecord = { readonly jsonmodel_type: string; readonly uri: string } & Readonly<Record<string, unknown>>;

/** A record of the file, in the order in which it may be sent. */
export interface Item {
  readonly kind: 'resource' | 'archival_object' | 'top_container';
  readonly ref: Ref;
  /** The record with the URIs that are known now: those of records already saved are real. */
  build(): JsonRecord;
}

/** Longest values that ArchivesSpace's schemas take, in characters. */
export const LONGEST = { identifier: 255, title: 8192, text: 65_000 } as const;

/** Fields that have a value: ArchivesSpace wants a missing field left out, not null or ''. */
export function present<T extends Readonly<Record<string, unknown>>>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) => value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0),
    ),
  ) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

export function instanceOf(placement: Placement): Readonly<Record<string, unknown>> {
  const [second, third] = placement.inner;
  return {
    jsonmodel_type: 'instance',
    instance_type: placement.instanceType,
    sub_container: {
      jsonmodel_type: 'sub_container',
      top_container: { ref: placement.top.uri },
      ...present({
        type_2: second?.type,
        indicator_2: second?.indicator,
        type_3: third?.type,
        indicator_3: third?.indicator,
      }),
    },
  };
}
