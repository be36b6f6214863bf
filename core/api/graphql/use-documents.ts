import type { Plugin } from 'graphql-yoga'
import { ApiError } from '../../lib/api-error.ts'
import type { RequestContext } from './context.ts'
import type { Documents } from './documents.ts'
import { toGraphQLError } from './graphql-error.ts'
import type { OperationContext } from './operation-context.ts'

/** Parses within the limits of a document, and validates each valid document once. */
export function useDocuments(documents: Documents): Plugin<RequestContext, OperationContext> {
  return {
    onParse({ setParseFn }) {
      setParseFn((source) => {
        try {
          return documents.parse(typeof source === 'string' ? source : source.body)
        } catch (error) {
          throw error instanceof ApiError ? toGraphQLError(error) : error
        }
      })
    },
    onValidate({ params: { documentAST }, context, setResult }) {
      if (documents.isValid(documentAST)) {
        setResult([])
        return undefined
      }
      const text = context.params.query
      return ({ valid }) => {
        if (valid && typeof text === 'string') documents.keep(text, documentAST)
      }
    },
  }
}
