import { element } from "../element.js"; export async function acmePage() { return element("p", "soon"); }
