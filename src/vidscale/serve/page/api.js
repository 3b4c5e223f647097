// The only place that talks to the server.

/** The server understood and says no, in one line; `status` tells a refusal from a fault. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** No usable answer came: the server is gone, or something between speaks for it. */
export class Unreachable extends Error {}

const PATIENCE_MS = 20000;

async function call(path, options, signal) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  let reply;
  let body;
  try {
    reply = await fetch(`/api/v1/${path}`, { ...options, signal: signal ? AbortSignal.any([signal, patience])
      : patience });
    body = await reply.json();
  } catch (fault) {
    if (signal?.aborted) throw fault;
    if (patience.aborted) throw new Unreachable(`the server has not answered for ${PATIENCE_MS / 1000} s`);
    throw new Unreachable(reply ? `the server answered ${reply.status} with something that is no answer of vidscale`
      : "the server does not answer");
  }
  if (reply.status >= 500) throw new Unreachable(`the server answered ${reply.status}`);
  if (!reply.ok) throw new Refused(typeof body?.error === "string" ? body.error : `refused with ${reply.status}`,
    reply.status);
  return body;
}

export const get = (path, signal) => call(path, { cache: "no-cache" }, signal);

export const post = (path, question, signal) => call(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question),
}, signal);

/**
 * Ask for the newest question only. While one is under way the next waits, and a newer one takes its place, so a
 * dragged slider shows answers on its way and never queues; one that takes longer than `slow` is given up for it.
 */
export function newest(path, { answered, failed, slow = 250 }) {
  let running = null;
  let waiting = null;

  async function run(question) {
    const mine = { abort: new AbortController(), since: performance.now() };
    running = mine;
    try {
      const answer = await post(path, question, mine.abort.signal);
      if (running === mine) answered(answer, question, waiting !== null);
    } catch (fault) {
      if (running === mine) failed(fault, question, waiting !== null);
    }
    if (running !== mine) return;
    running = null;
    next();
  }

  function next() {
    if (waiting === null) return;
    const question = waiting;
    waiting = null;
    run(question);
  }

  return function ask(question) {
    waiting = question;
    if (running === null) next();
    else {
      const left = Math.max(0, slow - (performance.now() - running.since));
      const late = running;
      setTimeout(() => {
        if (running !== late || waiting === null) return;
        running = null;
        late.abort.abort();
        next();
      }, left);
    }
  };
}
