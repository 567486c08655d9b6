import { element } from "../element.js"; export async function upstreamsPage() { return element("p", "soon"); }
