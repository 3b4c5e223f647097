// What the server says of its study, in the shape that the controls need.

/** Beyond the measured sizes by this factor either way goes the slider; a field takes more. */
const BEYOND = 4;

/** The study as the page uses it. */
export function describe(said) {
  const sizes = said.data_sizes;
  return {
    ...said,
    mean: said.tasks.find((task) => task.mean)?.name ?? null,
    data_varies: sizes.length > 0,
    data_range: sizes.length ? [Math.max(sizes[0] / BEYOND, said.data_range[0]), Math.min(sizes.at(-1) * BEYOND,
      said.data_range[1])] : null,
    levels: Object.fromEntries(["lm_params", "frames", "tokens_per_frame"].map((factor) => [factor, said.levels[factor]
      ?? []])),
    hash: said.provenance.data_hash,
    said,
  };
}

/** A question that the study can be asked: what it does not know is taken out, and in `dropped` as { name, said }. */
export function fitting(question, study) {
  const kept = { ...question };
  const dropped = [];
  const drop = (name, said) => { delete kept[name]; dropped.push({ name, said }); };
  const tasks = study.tasks.map((task) => task.name);
  if (kept.task !== undefined && !tasks.includes(kept.task)) drop("task", `task “${kept.task}”`);
  const strange = Object.keys(kept.weights ?? {}).filter((name) => !tasks.includes(name));
  if (strange.length) drop("weights", `weights of “${strange.join("”, “")}”`);
  if (kept.cost !== undefined && !study.costs.some((cost) => cost.kind === kept.cost)) drop("cost",
    `cost “${kept.cost}”`);
  if (kept.gpu !== undefined && !study.gpus.some((gpu) => gpu.name === kept.gpu)) {
    const same = study.gpus.find((gpu) => gpu.name.toLowerCase() === kept.gpu.toLowerCase());
    if (same) kept.gpu = same.name;
    else drop("gpu", `GPU “${kept.gpu}”`);
  }
  const sizes = study.levels.lm_params.map((level) => level.value);
  if (kept.lm_params && sizes.length && (kept.lattice ?? "measured") === "measured") {
    const known = kept.lm_params.filter((size) => sizes.includes(size));
    if (known.length < kept.lm_params.length) dropped.push({ name: "lm_params",
      said: "language models that the study lacks" });
    kept.lm_params = known.length && known.length < sizes.length ? known : undefined;
  }
  if (!study.data_varies) delete kept.data_size;
  return { question: kept, dropped };
}
