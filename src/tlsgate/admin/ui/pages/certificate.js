import { element } from "../element.js"; export async function certificatePage() { return element("p", "soon"); }
