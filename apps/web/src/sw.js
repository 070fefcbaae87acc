// The service worker: the app and the models without a network. The build fills in the version, the files and the names.
const APP_CACHE = "hierattn-app-__VERSION__";
const MODEL_CACHE = "hierattn-model";
const FILES = __FILES__;
const { MODEL, MODELS, MODEL_NAME } = __SERVICE__;
const NEWEST = new RegExp(`/(${MODELS}|${MODEL}|model-${MODEL_NAME}\\.onnx)$`);

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(APP_CACHE).then((cache) => cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })))),
  );
  self.skipWaiting();
});

self.addEventListener("activate", (event) => {
  const clean = async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith("hierattn-app-") && name !== APP_CACHE) await caches.delete(name);
    }
    const cache = await caches.open(MODEL_CACHE);
    for (const file of [MODELS, ...(await models())]) {
      if (!(await cache.match(file))) await cache.add(file).catch(() => undefined);
    }
    await self.clients.claim();
  };
  event.waitUntil(clean());
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  event.respondWith(NEWEST.test(url.pathname) ? fromNetworkFirst(event.request) : fromCacheFirst(event.request));
});

/** The models that lie beside the app; one where no list does. */
async function models() {
  try {
    return (await (await fetch(MODELS)).json()).map(({ file }) => file);
  } catch {
    return [MODEL];
  }
}

/** The app's own files from the cache; everything else from the network. */
async function fromCacheFirst(request) {
  const stored = await (await caches.open(APP_CACHE)).match(request, { ignoreSearch: request.mode === "navigate" });
  return stored ?? fetch(request);
}

/** The network's, which may be newer; the cache's where there is none. */
async function fromNetworkFirst(request) {
  const cache = () => caches.open(MODEL_CACHE);
  try {
    const answer = await fetch(request);
    if (answer.ok) {
      const copy = answer.clone();
      await cache().then((models) => models.put(request.url, copy)).catch(() => undefined); // the storage may be full
    }
    return answer;
  } catch {
    return (await (await cache()).match(request.url)) ?? Response.error();
  }
}
