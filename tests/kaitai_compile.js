// Compiles Kaitai Struct descriptions to Python: {name: description} as JSON on stdin,
// {file name: text} as JSON on stdout. The compiler is found through NODE_PATH.
const compiler = require("kaitai-struct-compiler");
const WITH_POSITIONS = true; // The compiler's debug mode: where each field was read.

async function main() {
  const descriptions = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const files = {};
  for (const description of Object.values(descriptions)) {
    Object.assign(files, await compiler.compile("python", description, null, WITH_POSITIONS));
  }
  process.stdout.write(JSON.stringify(files));
}

main().catch((error) => {
  process.stderr.write(`${error}\n`);
  process.exit(1);
});
