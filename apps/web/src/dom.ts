/** Elements without a framework. */

type Child = Node | string | false | null | undefined;
type Attributes = Record<string, string | number | boolean | ((event: any) => void)>;

/** An element; `onclick` and the like take functions, `true` sets an attribute without a value, `false` none. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child): child is Node | string => Boolean(child) || child === ""));
  return element;
}

/** An image whose picture is still being made. */
export function lateImage(source: Promise<string>, attributes: Attributes): HTMLImageElement {
  const image = h("img", attributes);
  source.then((url) => (image.src = url), () => undefined); // who makes it complains where it fails
  return image;
}

/** A button that chooses files; the input itself stays reachable for the keyboard and for screen readers. */
export function fileButton(text: string, attributes: Attributes, use: (files: File[]) => void): HTMLElement {
  const input = h("input", {
    type: "file",
    class: "visually-hidden",
    ...attributes,
    onchange: () => {
      const files = [...(input.files ?? [])];
      input.value = ""; // so that the same file can be chosen again
      if (files.length > 0) use(files);
    },
  });
  return h("label", { class: "button" }, input, text);
}

/** Hand a file to the browser's downloads. */
export function download(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
