// The service worker: the app and the model without a network. The build fills in the version and the list of files.
const APP = "hierattn-app-__VERSION__";
const MODEL = "hierattn-model";
const FILES = __FILES__;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(APP).then((cache) => cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })))),
  );
  self.skipWaiting();
});

self.addEventListener("activate", (event) => {
  const clean = async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith("hierattn-app-") && name !== APP) await caches.delete(name);
    }
    const kept = await caches.open(MODEL);
    for (const file of ["models.json", ...(await models())]) {
      if (!(await kept.match(file))) await kept.add(file).catch(() => undefined);
    }
    await self.clients.claim();
  };
  event.waitUntil(clean());
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (/\/(models\.json|model(-[a-z0-9-]+)?\.onnx)$/.test(url.pathname)) event.respondWith(freshest(event.request));
  else event.respondWith(kept(event.request));
});

/** The models that lie beside the app; one where no list does. */
async function models() {
  try {
    return (await (await fetch("models.json")).json()).map(({ file }) => file);
  } catch {
    return ["model.onnx"];
  }
}

/** What is kept; the network for everything else. */
async function kept(request) {
  const found = await (await caches.open(APP)).match(request, { ignoreSearch: request.mode === "navigate" });
  return found ?? fetch(request);
}

/** The network's, which may be newer; what is kept where there is none. */
async function freshest(request) {
  const cache = await caches.open(MODEL);
  try {
    const answer = await fetch(request);
    if (answer.ok) await cache.put(request.url, answer.clone());
    return answer;
  } catch {
    return (await cache.match(request.url)) ?? Response.error();
  }
}
