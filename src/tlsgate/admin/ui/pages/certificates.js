import { element } from "../element.js"; export async function certificatesPage() { return element("p", "soon"); }
