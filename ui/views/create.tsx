export function CreateView(_: { type: string | undefined }) {
  return <p>…</p>;
}
